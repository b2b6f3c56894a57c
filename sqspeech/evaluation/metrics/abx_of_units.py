"""ABX of units in several representations, and of the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sqspeech.evaluation.metrics.abx import AbxScores, Distance, abx
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.unit_metric import (
    UNIT_METRICS,
    Baseline,
    Features,
    Redrawn,
    TableRow,
    UnitMetric,
    UnitTestData,
    Weights,
)
from sqspeech.progress import track
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class Representation:
    """Representation of units in ABX: an attribute of `Units`, and the distance between two of its steps."""

    name: str
    attribute: str
    distance: Distance = "angular"

    def of(self, units: UnitSet) -> Features | None:
        """Return the representation of the utterances with the centres of the steps; None where it was not written."""
        values = {utterance: getattr(units[utterance], self.attribute) for utterance in units}
        if any(steps is None for steps in values.values()):
            return None
        return {
            utterance: (
                steps.reshape(len(steps), -1).astype(np.float32, copy=False),
                units.info.centres(len(units[utterance])),
            )
            for utterance, steps in values.items()
        }


REPRESENTATIONS = {
    "code_vectors": Representation(name="code vectors", attribute="vectors"),
    # The cosine distance of the concatenated one-hot vectors of all stages, without their memory.
    "one_hot": Representation(name="one-hot codes", attribute="codes", distance="identical"),
    "posteriors": Representation(name="posteriors", attribute="posteriors"),
    "posteriors_kl": Representation(name="posteriors, KL", attribute="posteriors", distance="kl_symmetric"),
    "continuous": Representation(name="before quantisation", attribute="continuous"),
}


@UNIT_METRICS.register("abx")
class AbxOfUnits(UnitMetric):
    """ABX of each representation that was written."""

    needs = ("item",)
    rows = tuple(
        TableRow(
            name=f"ABX {mode}, {representation.name} (%)",
            keys=(f"abx_{kind}", mode),
            baseline=("abx", mode),
            better="lower",
        )
        for mode in ("across", "within")
        for kind, representation in REPRESENTATIONS.items()
    )

    def __init__(self, test: UnitTestData) -> None:
        super().__init__(test)
        assert test.item is not None
        self._systems = _of_systems(test.item, test.systems)
        self._baselines = _of_baselines(test.item, test.baselines)

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the scores of each representation."""
        return {f"abx_{kind}": _plain(scores) for kind, scores in self._systems[name].items()}

    def of_baseline(self, name: str) -> Mapping[str, Any]:
        """Return the scores."""
        return {"abx": _plain(self._baselines[name])}

    def redrawn(self, name: str, weights: Weights) -> Redrawn:
        """Return the error rates."""
        systems = {f"abx_{kind}": scores for kind, scores in self._systems.get(name, {}).items()}
        found = systems or {"abx": self._baselines[name]}
        return {
            (key, mode): cells.error_rates(weights)
            for key, scores in found.items()
            for mode, cells in scores.cells.items()
        }


def _of_systems(item: ItemFile, systems: Mapping[str, UnitSet]) -> dict[str, dict[str, AbxScores]]:
    found: dict[str, dict[str, AbxScores]] = {name: {} for name in systems}
    tasks = [(name, kind) for name in systems for kind in REPRESENTATIONS]
    for name, kind in track(tasks, "ABX of units", len(tasks)):
        representation = REPRESENTATIONS[kind]
        features = representation.of(systems[name])
        if features:
            found[name][kind] = abx(item, features, distance=representation.distance)
    return found


def _of_baselines(item: ItemFile, baselines: Mapping[str, Baseline]) -> dict[str, AbxScores]:
    tracked = track(baselines.items(), "ABX of baselines", len(baselines))
    return {name: abx(item, baseline.frames) for name, baseline in tracked}


def _plain(scores: AbxScores) -> dict[str, Any]:
    return {"within": scores.within, "across": scores.across, "items": scores.items, "dropped": scores.dropped}
