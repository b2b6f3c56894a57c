"""The forms in which units are compared by ABX, beside the baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqspeech.evaluation.abx import AbxScores, Distance, Features, abx
from sqspeech.progress import track
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class Representation:
    """Subject of an ABX measurement: an attribute of `Units`, and the distance between two of its steps."""

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
    # Between one-hot vectors the angle is either 0 or a right one.
    "one_hot": Representation(name="one-hot codes", attribute="codes", distance="identical"),
    "posteriors": Representation(name="posteriors", attribute="posteriors"),
    "posteriors_kl": Representation(name="posteriors, KL", attribute="posteriors", distance="kl_symmetric"),
    "continuous": Representation(name="before quantisation", attribute="continuous"),
}


def abx_of_units(
    item: Path, systems: Mapping[str, UnitSet], baselines: Mapping[str, Features]
) -> tuple[dict[str, dict[str, AbxScores]], dict[str, AbxScores]]:
    """Return the scores of the systems by name and representation, and of the baselines by name.

    Raises
    ------
    DataError
        See `sqspeech.evaluation.abx.abx`.
    """
    of_units: dict[str, dict[str, AbxScores]] = {name: {} for name in systems}
    tasks = [(name, kind) for name in systems for kind in REPRESENTATIONS]
    for name, kind in track(tasks, "ABX of units", len(tasks)):
        representation = REPRESENTATIONS[kind]
        features = representation.of(systems[name])
        if features:
            of_units[name][kind] = abx(item, features, distance=representation.distance)
    of_baselines = {
        name: abx(item, features) for name, features in track(baselines.items(), "ABX of baselines", len(baselines))
    }
    return of_units, of_baselines
