"""The command line. torch is imported inside the commands, so that --help answers at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from sqspeech import __version__
from sqspeech.cli import (
    conversion,
    data,
    evaluation,
    page,
    priors,
    recipes,
    report,
    sharing,
    submission,
    training,
    units,
    vocoder,
)
from sqspeech.errors import SqspeechError
from sqspeech.extras import missing_extra_named
from sqspeech.names import let_print_any_name

COMMANDS = (
    data.features,
    data.validate,
    training.train,
    vocoder.vocoder_data,
    vocoder.attach_vocoder,
    vocoder.export_vocoder,
    units.units,
    units.export,
    conversion.convert,
    conversion.decode,
    evaluation.evaluate,
    evaluation.compare_vocoders,
    evaluation.evaluate_units,
    evaluation.word_curve,
    conversion.enroll,
    conversion.speakers,
    priors.generate,
    priors.score,
    page.serve,
    submission.submit,
    submission.submit_check,
    report.report,
    sharing.model_card,
    sharing.push,
    report.doctor,
    recipes.recipes,
)

# What typer makes of Ctrl-C.
INTERRUPTED = 130

app = typer.Typer(
    help="Speech to discrete units and back: reconstruction, voice conversion, acoustic units.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in COMMANDS:
    app.command()(_command)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an expected failure is one line and status 1, Ctrl-C is status 130, SIGTERM 143."""
    status = _run()
    if "TORCHELASTIC_RUN_ID" in os.environ:
        # gloo's threads outlive their process group, and now and then abort an interpreter that is taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit, so that what is not finished is deleted; `train` handles it in its own way."""
    usual = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def _run() -> int:
    let_print_any_name()
    try:
        with _ended_by_sigterm(), missing_extra_named():
            app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            print("interrupted; run the same command to go on", file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except SqspeechError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
