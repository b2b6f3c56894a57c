"""Contract of a metric over units, and the registry of these metrics.

>>> @UNIT_METRICS.register("longest_run")
... class LongestRun(UnitMetric):
...     rows = (TableRow(name="longest run (steps)", keys=("longest_run",)),)
...
...     def of_system(self, name):
...         return {"longest_run": max(int(units.runs()[1].max()) for units in self.test.systems[name].units.values())}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.alignment import Alignment
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.priors.trained import Prior
from sqspeech.registry import Registry
from sqspeech.units import UnitSet

# Of each utterance, the features (T, D) and the centres (T,) of their frames in seconds.
type Features = Mapping[str, tuple[NDArray[np.float32], NDArray[np.floating]]]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Features of utterances by their ids, as a reference for units.

    Attributes
    ----------
    frames
        The features and the centres of their frames.
    means
        The mean frame (D,) of each utterance, from which a classifier may guess the speaker.
    """

    frames: dict[str, tuple[NDArray[np.float32], NDArray[np.floating]]] = field(default_factory=dict)
    means: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UnitTestData:
    """Input of all metrics over units; it has been checked.

    Attributes
    ----------
    systems
        Units by the name of the system that made them, all of the same utterances.
    data
        These utterances.
    seconds
        The duration of each.
    baselines
        By name.
    item
        Phones for ABX; None where not given.
    alignments
        By utterance id, of these and perhaps of others; None where not given.
    priors
        By the checkpoint of whose units they are; None where not given.
    """

    systems: Mapping[str, UnitSet]
    data: DataDir
    seconds: Mapping[str, float]
    baselines: Mapping[str, Baseline]
    item: ItemFile | None = None
    alignments: Mapping[str, Alignment] | None = None
    priors: Mapping[str, Prior] | None = None


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """Row of the table of units.

    Attributes
    ----------
    name
        The row's first cell.
    keys
        The path to the value of a system in its metrics.
    baseline
        The same for a baseline; empty where baselines have no value.
    better
        The direction that is better; a format string over the metrics of the data.
    """

    name: str
    keys: tuple[str, ...]
    baseline: tuple[str, ...] = ()
    better: str = ""


class UnitMetric:
    """Metric over units: plain values by name, for each system and, where it applies, each baseline.

    Parameters
    ----------
    test
        The systems and the data.

    Attributes
    ----------
    rows
        The rows that the metric adds to the table; a row without a value for any system is left out.
    needs
        Optional parts of `UnitTestData` without which the metric is left out.
    """

    rows: ClassVar[tuple[TableRow, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, test: UnitTestData) -> None:
        self.test = test

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the values of a system."""
        raise NotImplementedError

    def of_baseline(self, name: str) -> Mapping[str, Any]:
        """Return the values of a baseline."""
        return {}

    def of_data(self) -> Mapping[str, Any]:
        """Return values that do not depend on a system, such as chance level."""
        return {}

    def notes(self) -> list[str]:
        """Return sentences about data that the metric leaves out."""
        return []

    def draw(self, folder: Path) -> None:
        """Write the pictures of the metric, if it has any."""


UNIT_METRICS: Registry[UnitMetric] = Registry("metric of units", "sqspeech.evaluation.metrics")


def some_of(utterances: tuple[str, ...]) -> str:
    """Return the number of utterances and the first three, for a note."""
    return f"{len(utterances)} ({', '.join(utterances[:3])}{', ...' if len(utterances) > 3 else ''})"
