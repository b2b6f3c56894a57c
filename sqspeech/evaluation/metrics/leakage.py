"""Speaker leakage of units: the accuracy of a classifier that guesses the speaker from them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.codebook import usage_by_stage
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric, UnitTestData, some_of
from sqspeech.units import UnitSet

FOLDS = 5
# One for training, and one for testing.
LEAST_UTTERANCES = 2


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Accuracy of a speaker classifier.

    Attributes
    ----------
    accuracy
        In %.
    chance
        In %: the share of the utterances of the most frequent speaker, which blind guessing reaches.
    speakers, utterances
        Their numbers.
    left_out
        The utterances of speakers with a single one.
    """

    accuracy: float
    chance: float
    speakers: int
    utterances: int
    left_out: tuple[str, ...]


def speaker_leakage(features: Mapping[str, NDArray[np.floating]], speakers: Mapping[str, str]) -> Leakage:
    """Return the accuracy of a linear classifier of speakers, cross-validated by utterances.

    Logistic regression of the standardised features, in 5 folds: each speaker's utterances, in the order of
    their ids, are assigned to the folds in turn. Nothing is random.

    Parameters
    ----------
    features
        A vector (F,) for each utterance, such as its histogram of units.
    speakers
        The speaker of each utterance.

    Raises
    ------
    DataError
        Fewer than two speakers have two utterances.
    """
    numbers = Counter(speakers[utterance] for utterance in features)
    kept = [utterance for utterance in sorted(features) if numbers[speakers[utterance]] >= LEAST_UTTERANCES]
    labels = np.array([speakers[utterance] for utterance in kept])
    of_speakers = Counter(labels.tolist())
    if len(of_speakers) < 2:
        raise DataError(
            f"{len(of_speakers)} of {len(numbers)} speakers have {LEAST_UTTERANCES} utterances or more, and speaker "
            "leakage takes two such speakers; add utterances"
        )
    values = np.stack([features[utterance] for utterance in kept]).astype(np.float64)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10000))
    guesses = cross_val_predict(model, values, labels, cv=PredefinedSplit(_folds(labels)))
    return Leakage(
        accuracy=100 * float(np.mean(guesses == labels)),
        chance=100 * max(of_speakers.values()) / len(kept),
        speakers=len(of_speakers),
        utterances=len(kept),
        left_out=tuple(sorted(set(features) - set(kept))),
    )


def _folds(labels: NDArray[np.str_]) -> list[int]:
    """Return the fold of each utterance: its number among its speaker's, modulo the folds."""
    ranks: defaultdict[str, count[int]] = defaultdict(count)
    return [next(ranks[label]) % FOLDS for label in labels.tolist()]


@UNIT_METRICS.register("speaker_leakage")
class SpeakerLeakage(UnitMetric):
    """Speaker leakage of the utterances' histograms of units, and of the mean frames of the baselines."""

    rows = (
        TableRow(
            name="speakers recognised (%)",
            keys=("speaker_accuracy",),
            baseline=("speaker_accuracy",),
            better="lower, chance {speaker_chance:.1f}",
        ),
    )

    def __init__(self, test: UnitTestData) -> None:
        super().__init__(test)
        self._found: dict[str, Leakage] = {}
        self._notes: list[str] = []
        speakers = {utterance.utt_id: utterance.spk_id for utterance in test.data}
        vectors = {name: histograms(units) for name, units in test.systems.items()}
        means = {name: baseline.means for name, baseline in test.baselines.items()}
        try:
            self._found = {name: speaker_leakage(given, speakers) for name, given in (vectors | means).items()}
        except DataError as error:
            self._notes.append(f"no speaker accuracy: {error}")
            return
        left_out = next(iter(self._found.values())).left_out
        if left_out:
            self._notes.append(f"not in the speaker accuracy, as their speakers' only utterances: {some_of(left_out)}")

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the accuracy in %; nothing where there are too few speakers."""
        return {"speaker_accuracy": self._found[name].accuracy} if self._found else {}

    def of_baseline(self, name: str) -> Mapping[str, Any]:
        """Return the accuracy in %; nothing where there are too few speakers."""
        return self.of_system(name)

    def of_data(self) -> Mapping[str, Any]:
        """Return the accuracy by chance in %; None where there are too few speakers."""
        return {"speaker_chance": next((found.chance for found in self._found.values()), None)}

    def notes(self) -> list[str]:
        """Return which utterances or speakers are left out."""
        return self._notes


def histograms(units: UnitSet) -> dict[str, NDArray[np.float64]]:
    """Return the relative frequencies (Q K,) of the codewords in each utterance, those of the Q stages in order."""
    size = units.info.codebook_size
    return {name: usage_by_stage([units[name].codes], size).ravel() / len(units[name]) for name in units}
