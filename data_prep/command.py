"""The frame of a data preparation's command line."""

import sys
from collections.abc import Callable

import typer

from sqspeech.errors import SqspeechError


def run(main: Callable[..., None]) -> None:
    """Run `main` with the command line's arguments; an expected failure is one line and exit status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except SqspeechError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
