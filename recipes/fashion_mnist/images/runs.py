"""Train and evaluate the models of a table: `python -m images.runs TABLE DATA EXP`.

What is done is skipped, and a training that was stopped goes on: the same command continues a comparison.
"""

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from data_prep.command import run
from images.evaluate import evaluate, in_words
from images.table import Run, read_runs
from images.task import ImageTask
from sqspeech.cli.options import Device, find_device
from sqspeech.errors import SqspeechError
from sqspeech.training import Trainer
from sqspeech.training.interruption import EXIT_STATUS, Stopped


def train_and_evaluate(one: Run, data: Path, device: str) -> dict[str, Any]:
    """Train a model of a table, or go on with it, evaluate its last checkpoint, and return the measures.

    Raises
    ------
    Stopped
        A signal came; the training can be continued.
    SqspeechError
        See `Trainer` and `evaluate`.
    """
    train, dev = ImageTask(one.config).open_data(data)
    Trainer(one.config, train, dev, one.folder, find_device(device)).run()
    return evaluate(one.checkpoint, data, one.metrics_path, device)


def main(
    table: Annotated[Path, typer.Argument(help="The models, seeds and values: YAML.")],
    data: Annotated[Path, typer.Argument(help="The folder that images.prepare wrote.")],
    exp: Annotated[Path, typer.Argument(help="The folder to write; continued if it exists.")],
    device: Device = "auto",
) -> None:
    """Train and evaluate the models of a table."""
    runs = read_runs(table, exp)
    left = [one for one in runs if not one.metrics()]
    print(f"{exp}: {len(runs)} runs, {len(runs) - len(left)} of them done", flush=True)
    began, failed = time.monotonic(), 0
    for count, one in enumerate(left, 1):
        try:
            outcome = in_words(train_and_evaluate(one, data, device))
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            sys.exit(EXIT_STATUS)
        except SqspeechError as error:
            failed += 1
            outcome = f"failed: {error}"
        rest = (time.monotonic() - began) / count * (len(left) - count)
        print(f"{count}/{len(left)} {one.folder}: {outcome}; {timedelta(seconds=round(rest))} left", flush=True)
    if failed:
        raise SqspeechError(f"{exp}: {failed} of {len(left)} runs failed; run the same command to try them again")


if __name__ == "__main__":
    run(main)
