"""Reports of an experiment and of this installation."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    exp: Annotated[Path, typer.Argument(metavar="EXP", help="An experiment directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Write one self-contained page of an experiment, and print where its results are."""
    from sqspeech.report import write_report

    print(write_report(exp, output))


def doctor() -> None:
    """Print versions and devices, and what is missing and how to get it."""
    from sqspeech.doctor import examine

    sound = examine()
    raise typer.Exit(0 if sound else 1)
