"""Contract between the engine and its tasks, and the registry of tasks.

A task is a class in a file of its own. From outside the package, a script registers it and calls the command line:

    @TASKS.register("mine", config=MyConfig)
    class MyTask(Task[MyConfig, MyData, MyModel]): ...

    if __name__ == "__main__":
        sqspeech.cli.main()

`python my_task.py train DATA EXP --config my.yaml`, where my.yaml has `task: mine`, then trains it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, device, nn
from torch.optim import Optimizer

from sqspeech.checkpoint import FORMAT
from sqspeech.config import TaskConfig, read_values, save_config
from sqspeech.registry import Registry

type Batch = tuple[Tensor, ...]
type Residency = Literal["auto", "device", "host", "disk"]
type Update = Callable[[str, Tensor], Tensor]

# The task of a configuration that names none.
DEFAULT = "sqvae"


class Batches(Protocol):
    """The batches of all steps: functions of the seed and the step alone.

    Attributes
    ----------
    seed
        Of all draws; the engine sets it.
    on_device
        Whether `batch` takes its key from the training device and returns tensors there without waiting. Else it
        takes a number, and the engine copies what it returns while the device computes the step before.
    """

    seed: int
    on_device: bool

    def key(self, step: int) -> int:
        """Return the key of a step's draws, a function of `seed` and the step."""

    def batch(self, key: int | Tensor) -> Batch:
        """Return this process's rows of the batch of a key: tensors whose shapes are the same for all keys."""

    def describe(self) -> str:
        """Return one line: how much data there is, and where."""


class Task[Config: TaskConfig, Data, Model: nn.Module](ABC):
    """Something to train.

    The engine makes it from its configuration alone, and may make it more than once: it keeps no state. What training
    changes is in the model and the optimisers.

    Attributes
    ----------
    best
        The measure on dev whose least value makes best.ckpt (see `better`).
    shown
        The values of the progress line, with the format of each.
    """

    best: ClassVar[str]
    shown: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def open_data(self, path: Path) -> tuple[Data, Data]:
        """Open the training and the dev data that the command line names; raises DataError."""

    @abstractmethod
    def model(self, train: Data) -> Model:
        """Return the untrained model, on the CPU; torch's generator is seeded."""

    @abstractmethod
    def batches(
        self, model: Model, train: Data, device: device, residency: Residency, part: tuple[int, int]
    ) -> Batches:
        """Return the batches; `part` is this process's rank and the number of processes that share each batch.

        Raises
        ------
        DataError
            The data make no batch.
        ConfigError
            A batch cannot be shared out evenly.
        """

    def schedule(self, step: int) -> dict[str, float]:
        """Return the values that change from step to step, such as learning rates, the same names at each; they are
        logged. `step` counts from 0.
        """  # noqa: D205
        return {}

    def phase(self, step: int) -> str:
        """Return the kind of a step, from 0: each has a CUDA graph of its own, in which nothing can branch.

        A discriminator that joins at step 1000, or is updated at every second step, makes two kinds.
        """
        return ""

    @abstractmethod
    def optimizers(self, model: Model, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """Return the optimisers by name, which need `capturable=True` on a GPU.

        `values` are those of `schedule` as scalars on the device, filled before each step: a learning rate that is one
        of them (`lr=values["learning_rate"]`) follows its schedule in a CUDA graph too.
        """

    @abstractmethod
    def step(
        self, model: Model, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """Train one step and return its statistics: scalars whose means are logged, the same names in a phase.

        `update(optimizer, loss)` computes the gradients of the optimiser of that name, means over the processes, clips
        them and takes its step; it returns their norm before clipping. Called more than once, the updates follow each
        other: what is computed after one uses its weights.

        Runs in autocast where the precision is bfloat16, and is recorded: it may neither wait for the device nor take
        a shape or a branch from values. The loss is that of the whole batch or the mean of this process's rows (see
        `sqspeech.distributed`). Parts inside `record_function("sqspeech::NAME")` are rows of the profile.
        """

    @abstractmethod
    def dev_metrics(self, model: Model, train: Data, dev: Data, device: device) -> Callable[[Model], dict[str, float]]:
        """Return a function that measures the model on dev, the same in all processes, and leaves it in training mode.

        Raises
        ------
        DataError
            Nothing can be measured on `dev`.
        """

    def better(self, found: float, best: float, step: int) -> bool:
        """Return whether a model of `step` steps, measured as `found`, replaces best.ckpt, measured as `best`."""
        return found < best

    def warnings(
        self, model: Model, train: Mapping[str, float], dev: Mapping[str, float], validations: int
    ) -> dict[str, str]:
        """Return the faults that the newest statistics show, in words; a key stands for a fault while it lasts.

        `validations` counts those of the training with this one.
        """
        return {}

    def about(self, train: Data) -> dict[str, Any]:
        """Return what a use of the model needs beside configuration and weights, such as the names of its classes."""
        return {}

    def content(self, model: Model, about: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a checkpoint holds; `training` is what the engine needs to go on, under the key of that name."""
        return {
            "format": FORMAT,
            "task": task_name(self.config),
            "config": self.config.to_dict(),
            **about,
            "model": model.state_dict(),
            "training": dict(training),
        }

    def check_resumed(self, content: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> None:  # noqa: B027
        """Raise a DataError where the checkpoint at `path` was trained on other data than `about` tells of."""

    def fingerprints(self, train: Data, dev: Data) -> dict[str, str]:
        """Return what tells the data from others, for runs.jsonl."""
        return {}


TASKS: Registry[Task[Any, Any, Any]] = Registry("task", __package__)


def task_of(config: TaskConfig) -> Task[Any, Any, Any]:
    """Return the task of a configuration, which its class tells; raises ConfigError."""
    return TASKS.of(config)(config)


def task_name(config: TaskConfig) -> str:
    """Return the name under which the task of a configuration is registered."""
    return next(name for name in TASKS.names() if TASKS.config(name) is type(config))


def load_task_config(path: Path, overrides: Sequence[str] = ()) -> TaskConfig:
    """Read the YAML configuration of the task that its key `task` names (see `sqspeech.config.load_config`).

    Raises
    ------
    ConfigError
        No task has that name, or the file or an override is wrong.
    """
    values = read_values(path, overrides)
    config: type[TaskConfig] = TASKS.config(str(values.pop("task", DEFAULT)))
    return config.from_dict(values, str(path))


def save_task_config(path: Path, config: TaskConfig) -> None:
    """Write a configuration that `load_task_config` reads."""
    name = task_name(config)
    save_config(path, config, **({} if name == DEFAULT else {"task": name}))
