"""Commands for reports on an experiment and on this installation."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    exp: Annotated[Path, typer.Argument(metavar="EXP", help="An experiment directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Write a self-contained HTML page on an experiment, and print the paths of its results."""
    from sqspeech.report import write_report

    print(write_report(exp, output))


def doctor() -> None:
    """Print versions, devices and missing packages, and the way to install these."""
    from sqspeech.doctor import examine

    sound = examine()
    raise typer.Exit(0 if sound else 1)
