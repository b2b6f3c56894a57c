"""The runs that a table stands for, and how far each has come."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare.configuration import Config, TableError, parse_override, read_yaml, with_changes
from benchmarks.compare.curves import last_step, read_curves
from benchmarks.compare.table import Model, read_table


class Run:
    """One model with one seed, in EXP/<model>/seed<k>.

    Parameters
    ----------
    model
        The row.
    seed
        Of training.
    exp
        EXP.
    config
        The complete configuration, but for the seed.
    """

    def __init__(self, model: Model, seed: int, exp: Path, config: Config) -> None:
        self.model, self.seed, self.config = model, seed, config
        self.name = f"{model.name} seed {seed}"
        self.folder = exp / model.name / f"seed{seed}"
        self.config_path = self.folder.parent / "config.yaml"
        self.checkpoint = self.folder / "last.ckpt"
        self.metrics_path = self.folder / "metrics.json"

    def metrics(self) -> dict[str, Any]:
        """Return what `sqspeech evaluate` wrote; nothing where the checkpoint has changed since."""
        if not self.metrics_path.exists() or self.metrics_path.stat().st_mtime < self.checkpoint.stat().st_mtime:
            return {}
        metrics: dict[str, Any] = json.loads(self.metrics_path.read_text(encoding="utf-8"))
        return metrics

    def has_begun(self) -> bool:
        """Tell whether training has begun with this very configuration."""
        path = self.folder / "config.yaml"
        if not (path.exists() and self.checkpoint.exists()):
            return False
        trained, wanted = read_yaml(path), with_changes(self.config, {"training.seed": self.seed})
        return all(values.items() <= trained.get(section, {}).items() for section, values in wanted.items())

    def is_trained(self) -> bool:
        """Tell whether training has reached its last step with this very configuration."""
        steps = self.config["training"]["steps"]
        return self.has_begun() and last_step(read_curves(self.folder / "metrics.jsonl")) >= steps

    def is_done(self, *, with_abx: bool = False) -> bool:
        """Tell whether the run is trained and evaluated."""
        return self.is_trained() and ("abx_within" if with_abx else "mse_db2") in self.metrics()


def read_runs(path: Path, exp: Path, overrides: Sequence[str] = ()) -> list[Run]:
    """Return the runs of a table: every model with its first seed, then with its second, and so on.

    In this order a comparison that is stopped early has something of every model.

    Parameters
    ----------
    path
        The table.
    exp
        The folder of the comparison.
    overrides
        `section.key=value`, applied to every model after its own changes.

    Raises
    ------
    TableError
        The table, its base or an override is missing or malformed.
    """
    table = read_table(path)
    base = read_yaml(path.parent / table.base)
    if not all(isinstance(section, dict) for section in base.values()) or "steps" not in base.get("training", {}):
        raise TableError(f"{path.parent / table.base}: not sections of keys and values, with training.steps")
    changes = dict(parse_override(text) for text in overrides)
    rounds = [
        (turn, Run(model, seed, exp, with_changes(with_changes(base, model.changes), changes)))
        for model in table.models
        for turn, seed in enumerate(model.seeds or table.seeds)
    ]
    return [run for _, run in sorted(rounds, key=lambda entry: entry[0])]
