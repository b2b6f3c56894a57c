"""A table of models, seeds and values of one key, read from YAML, and the runs that it stands for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

import images.task  # noqa: F401 (registers the task of the configurations)
from images.config import ImageConfig
from sqspeech.config import read_values
from sqspeech.errors import ConfigError
from sqspeech.training.tasks.base import load_task_config


@checked_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Table:
    """Models to compare.

    Attributes
    ----------
    models
        Labels, and the configuration of each: a path relative to the table's.
    seeds
        Of each model.
    vary
        A key, such as quantizer.codebook_size, that takes each of `values` in turn.
    set
        Keys that all runs have.
    """

    models: dict[str, str] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    vary: str | None = None
    values: tuple[float | int, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: a model, a value of the key that varies (None where none does), a seed."""

    label: str
    value: float | None
    seed: int
    folder: Path
    config: ImageConfig

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.folder / "last.ckpt"

    @property
    def metrics_path(self) -> Path:
        """The file that `images.evaluate` wrote of it."""
        return self.folder / "metrics.json"

    def metrics(self) -> dict[str, Any]:
        """Return the measures on the test images; nothing unless the run ended with this very configuration."""
        stored = self.folder / "config.yaml"
        if not (stored.exists() and self.metrics_path.exists()) or load_task_config(stored) != self.config:
            return {}
        found: dict[str, Any] = json.loads(self.metrics_path.read_text(encoding="utf-8"))
        return found

    def curves(self) -> Iterator[dict[str, float]]:
        """Yield the lines of the training log."""
        path = self.folder / "metrics.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            yield json.loads(line)

    def minutes(self) -> float:
        """Return how long the training took, without the measures on dev."""
        speeds = [line["steps_per_second"] for line in self.curves() if "steps_per_second" in line]
        return sum(self.config.training.log_every / speed for speed in speeds) / 60


def read_table(path: Path) -> Table:
    """Read a table; raises ConfigError."""
    try:
        return TypeAdapter(Table).validate_python(read_values(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def read_runs(path: Path, exp: Path) -> list[Run]:
    """Return the runs of a table: all models with the first seed, then with the second, and so on.

    In this order what is stopped early has something of every model.

    Raises
    ------
    ConfigError
        The table or a configuration is missing or malformed, or is not one of images.
    """
    table = read_table(path)
    values: tuple[float | None, ...] = table.values if table.vary else (None,)
    return [
        _run(path, exp, table, label, value, seed)
        for seed, value, label in product(table.seeds, values, table.models)
    ]  # fmt: skip


def _run(path: Path, exp: Path, table: Table, label: str, value: float | None, seed: int) -> Run:
    varied = {} if value is None else {str(table.vary): value}
    settings = {**table.set, **varied, "training.seed": seed}
    source = path.parent / table.models[label]
    config = load_task_config(source, [f"{key}={json.dumps(setting)}" for key, setting in settings.items()])
    if not isinstance(config, ImageConfig):
        raise ConfigError(f"{source}: is no configuration of the task image_sqvae; see conf/")
    name = source.stem if value is None else f"{source.stem}-{value:g}"
    return Run(label=label, value=value, seed=seed, folder=exp / name / f"seed{seed}", config=config)
