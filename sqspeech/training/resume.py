"""Conditions on which a training is continued, and the state it is continued from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqspeech.config import TaskConfig
from sqspeech.errors import ConfigError

# What may change when an experiment is continued: how long, and what is written when.
CHANGEABLE = {f"training.{key}" for key in ("steps", "checkpoint_every", "checkpoint_seconds", "keep_every", "keep")}


def check_same_experiment(path: Path, found: Mapping[str, Any], wanted: TaskConfig) -> None:
    """Raise a ConfigError where the configuration in a checkpoint is another than is wanted.

    More steps are a continuation; anything else would be another experiment under the same name.
    """
    before = dict(_values(type(wanted).from_dict(found, str(path)).to_dict()))
    now = dict(_values(wanted.to_dict()))
    for key in [*before, *(key for key in now if key not in before)]:
        if key not in CHANGEABLE and before.get(key) != now.get(key):
            raise ConfigError(
                f"{path}: was trained with {key} = {before.get(key)}, not {now.get(key)}; choose another folder for "
                "another configuration"
            )


def training_state(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's state in a checkpoint, in the keys of today where an earlier version wrote it."""
    state = dict(content["training"])
    if "best_mse_db2" in state:
        state["best"] = state.pop("best_mse_db2")
        step = state["step_state"]
        sums = {"": {"names": step["names"], "sums": step["sums"]}} if step["sums"] is not None else {}
        state["step_state"] = {"optimizers": {"model": step["optimizer"]}, "draw": step["draw"], "statistics": sums}
    return state


def _values(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of everything in nested sections."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
