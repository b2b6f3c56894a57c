"""Training."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import Config, Device, Overrides, find_device


class Residency(StrEnum):
    """Memory that holds the features while training."""

    auto = "auto"
    device = "device"
    host = "host"
    disk = "disk"


class OnNan(StrEnum):
    """Reaction to a step that is not finite."""

    stop = "stop"
    rollback = "rollback"


def train(
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="The dumps train/ and dev/, or another task's data.")],
    exp: Annotated[Path, typer.Argument(metavar="EXP", help="The experiment directory; continued if it exists.")],
    config: Config,
    overrides: Overrides = [],  # noqa: B006
    device: Device = "auto",
    residency: Annotated[Residency, typer.Option(help="Where the features live while training.")] = Residency.auto,
    on_nan: Annotated[OnNan, typer.Option(help="What to do when a step is not finite.")] = OnNan.stop,
    eager: Annotated[bool, typer.Option("--eager", help="Record no CUDA graph; for debugging.")] = False,
    profile: Annotated[int, typer.Option(metavar="N", min=0, help="Only print where the time of N steps goes.")] = 0,
) -> None:
    """Train a model, or continue; under torchrun with several processes."""
    from sqspeech.training import Trainer
    from sqspeech.training.interruption import EXIT_STATUS, Stopped
    from sqspeech.training.process_group import is_first, process_group
    from sqspeech.training.tasks.base import load_task_config, task_of

    experiment = load_task_config(config, overrides)
    training_set, dev_set = task_of(experiment).open_data(dump)
    with process_group(find_device(device)) as own_device:
        trainer = Trainer(
            experiment, training_set, dev_set, exp, own_device,
            residency=residency.value, eager=eager, on_nan=on_nan.value,
        )  # fmt: skip
        report = partial(print, file=sys.stderr) if is_first() else _silent
        report(trainer.batches.describe())
        if profile:
            report(trainer.profile(profile))
            return
        first = trainer.step
        try:
            trainer.run()
        except Stopped as stopped:
            report(stopped)
            sys.exit(EXIT_STATUS)
        if is_first():
            print(f"{exp}: steps {first} to {trainer.step}, {trainer.task.best} {trainer.best:.2f} in best.ckpt")


def _silent(*values: object) -> None:
    pass
