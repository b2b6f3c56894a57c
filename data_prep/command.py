"""The frame of a data preparation's command line."""

import sys
from collections.abc import Callable

import typer

from sqspeech.errors import SqspeechError
from sqspeech.extras import missing_extra_named
from sqspeech.names import let_print_any_name


def run(main: Callable[..., None]) -> None:
    """Run `main` with the command line's arguments; an expected failure is one line and exit status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    let_print_any_name()
    try:
        with missing_extra_named(prefer="data"):
            app()
    except SqspeechError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
