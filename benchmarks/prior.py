"""A prior: sampling with its cache and without, and the engine's training steps beside a plain loop's.

`python benchmarks/prior.py UNITS --config CONFIG` prints CPU seconds and ratios of medians; the two sides take turns.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from sqspeech.data.random_hash import hash_numbers
from sqspeech.priors.sampling import Sampling, sample
from sqspeech.priors.unit_lm import UnitLM
from sqspeech.training.step import TrainingStep
from sqspeech.training.tasks.base import load_task_config
from sqspeech.training.tasks.prior import PriorTask

CPU = torch.device("cpu")
STEPS = 10


@torch.inference_mode()
def sample_without_cache(model: UnitLM, count: int) -> Tensor:
    """Return steps (1, count, C), each computed from all steps before it that a context holds."""
    steps, context = model.begin.expand(1, 1, -1), model.config.context
    for _ in range(count):
        hidden = model.hidden(steps[:, -context:])[:, -1]
        step = torch.zeros(1, len(model.sizes), dtype=torch.int64)
        for column in range(len(model.sizes)):
            step[:, column] = Sampling().draw(model.logits(hidden, step, column), torch.rand(1, dtype=torch.float64))
        steps = torch.cat([steps, step.unsqueeze(1)], 1)
    return steps[:, 1:]


def plain_steps(task: PriorTask, model: UnitLM, batch: Callable[[int], Tensor]) -> None:
    """Train some steps as a plain loop: torch's own AdamW, and nothing else."""
    training = task.config.training
    adam = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, betas=(0.9, 0.95))
    for number in range(STEPS):
        steps = batch(number)
        loss = model.nats(steps).sum() / (steps[:, 1:, 0] >= 0).sum()
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
        adam.step()


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that a call takes."""
    began = process_time()
    work()
    return process_time() - began


def main(
    units: Annotated[Path, typer.Argument(help="Folder with the units train/ and dev/.")],
    config: Annotated[Path, typer.Option(help="Of the prior.")],
    count: Annotated[int, typer.Option(help="Steps of a sample.")] = 250,
    turns: Annotated[int, typer.Option(help="Of both sides.")] = 5,
) -> None:
    """Print CPU seconds of sampling and of training, and the ratios."""
    torch.set_num_threads(1)
    experiment = load_task_config(config)
    task = PriorTask(experiment)  # type: ignore[arg-type]
    train, _ = task.open_data(units)
    model, plain = task.model(train), task.model(train)
    windows = task.batches(model, train, CPU, "device", (0, 1))
    step = TrainingStep(model, windows, experiment, CPU, eager=True)
    sides = {
        "sample, cache": lambda: list(islice(sample(model.eval(), keys=[hash_numbers(0)]), count)),
        "sample, no cache": lambda: sample_without_cache(model.eval(), count),
        "train, engine": lambda: [model.train(), *map(step, range(STEPS))],
        "train, plain loop": lambda: plain_steps(task, plain, lambda number: windows.batch(windows.key(number))[0]),
    }
    for work in sides.values():
        work()
    found = {name: [] for name in sides}
    for _ in range(turns):
        for name, work in sides.items():
            found[name].append(seconds(work))
    medians = {name: median(times) for name, times in found.items()}
    for name, per in zip(sides, (count, count, STEPS, STEPS), strict=True):
        print(f"{name}: {per / medians[name]:.1f} steps a second")
    print(f"cache: {medians['sample, no cache'] / medians['sample, cache']:.2f} times as fast")
    print(f"engine: {medians['train, plain loop'] / medians['train, engine']:.2f} times as fast")


if __name__ == "__main__":
    typer.run(main)
