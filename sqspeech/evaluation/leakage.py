"""Speaker leakage of features."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sqspeech.errors import DataError

FOLDS = 5
# One to train on, and one to test.
LEAST_UTTERANCES = 2


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Rates at which the speaker of an utterance is recognised.

    Attributes
    ----------
    accuracy
        In %.
    chance
        In %: the share of the speaker with the most utterances, which is what blind guessing reaches.
    speakers, utterances
        How many.
    left_out
        The utterances of speakers who have but one.
    """

    accuracy: float
    chance: float
    speakers: int
    utterances: int
    left_out: tuple[str, ...]


def speaker_leakage(features: Mapping[str, NDArray[np.floating]], speakers: Mapping[str, str]) -> Leakage:
    """Return the accuracy of a linear classifier of speakers, cross-validated by utterances.

    Logistic regression of the standardised features, in 5 folds: each speaker's utterances, in the order of
    their ids, are dealt out to the folds in turn. Nothing is random.

    Parameters
    ----------
    features
        A vector (F,) an utterance, such as its histogram of units.
    speakers
        Of each utterance.

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
    """Count each speaker's utterances 0, 1, ... modulo the folds."""
    ranks: defaultdict[str, count[int]] = defaultdict(count)
    return [next(ranks[label]) % FOLDS for label in labels.tolist()]
