"""Content of an experiment directory, except for the audio."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqspeech.config import ExperimentConfig, read_values
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig

UNITS_LINES = 3
UNITS_CHARACTERS = 240

# name -> step -> value
type Curves = dict[str, dict[int, float]]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Text and figures of an experiment directory; an absent part is empty.

    Attributes
    ----------
    name
        Of the directory.
    curves
        The training log: name to step to value.
    unreadable
        Number of lines of the training log that were cut off by a crash.
    metrics, units_metrics
        The content of metrics.json and of units.json (of `sqspeech evaluate-units`).
    config, features
        The text of config.yaml, and its features.
    commands
        The first lines of the logs.
    prior_curves
        The training log of the prior in prior/.
    """

    name: str
    curves: Curves
    unreadable: int
    metrics: dict[str, Any]
    units_metrics: dict[str, Any]
    config: str
    features: LogMelConfig
    commands: list[str]
    prior_curves: Curves


def read_experiment(exp: Path) -> Experiment:
    """Read an experiment directory.

    Raises
    ------
    DataError
        The directory or its training log is missing or empty, or metrics.json or units.json is damaged.
    ConfigError
        config.yaml is not valid.
    """
    if not exp.is_dir():
        raise DataError(f"{exp}: no such experiment directory; make it with `sqspeech train DUMP {exp}`")
    curves, unreadable = _read_curves(exp / "metrics.jsonl")
    config = _text(exp / "config.yaml")
    return Experiment(
        name=exp.resolve().name,
        curves=curves,
        unreadable=unreadable,
        metrics=_read_metrics(exp / "metrics.json"),
        units_metrics=_read_metrics(exp / "units.json"),
        config=config,
        features=_features(exp / "config.yaml") if config else LogMelConfig(),
        commands=_read_commands(exp / "logs"),
        prior_curves=_read_curves(prior)[0] if (prior := exp / "prior/metrics.jsonl").is_file() else {},
    )


def _features(path: Path) -> LogMelConfig:
    """Return the section `features`; the other sections belong to the task."""
    own = {name: section for name, section in read_values(path).items() if name == "features"}
    return ExperimentConfig.from_dict(own, str(path)).features


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_curves(path: Path) -> tuple[Curves, int]:
    """Return the curves, where the last line for a step wins (a resumed run repeats steps)."""
    records = [_record(line) for line in _text(path).splitlines() if line.strip()]
    curves: Curves = {}
    for record in filter(None, records):
        step = int(record.pop("step"))
        for name, value in record.items():
            curves.setdefault(name, {})[step] = value
    if not curves:
        raise DataError(f"{path}: no training log here; train first with `sqspeech train DUMP {path.parent}`")
    return curves, records.count(None)


def _record(line: str) -> dict[str, float] | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        return None
    return {name: float(value) for name, value in record.items() if isinstance(value, int | float)}


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = json.loads(_text(path) or "{}")
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg}); evaluate again") from None
    if not isinstance(metrics, dict):
        raise DataError(f"{path}: not a JSON object; evaluate again")
    return metrics


def _read_commands(folder: Path) -> list[str]:
    first_lines = []
    for path in sorted(folder.glob("*.log")):
        with path.open(encoding="utf-8", errors="replace") as file:
            first_lines.append(file.readline().strip())
    return [line.removeprefix("$ ") for line in first_lines if line.startswith("$ ")]


def read_units(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Return the first lines of units, shortened, and those of the wanted utterances, by their utterances."""
    if not path.is_file():
        return {}
    found = dict[str, str]()
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            name = line.split(maxsplit=1)[0] if line.strip() else ""
            if number < UNITS_LINES or name in wanted:
                found[name] = _shorten(line.rstrip("\n"))
    return found


def _shorten(line: str) -> str:
    """Cut a long line after a whole unit."""
    return line if len(line) <= UNITS_CHARACTERS else line[:UNITS_CHARACTERS].rpartition(" ")[0] + " …"
