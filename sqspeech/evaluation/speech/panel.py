"""Scores of the judges, gathered by kind of speech."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, Score, SpeechMetric

type Figures = dict[str, float | None]

# Utterances that wait until they are judged together.
AT_ONCE = 16


class Panel:
    """Judges, and the scores of the utterances that they are given, by kind.

    Parameters
    ----------
    judges
        The metrics.
    """

    def __init__(self, judges: Sequence[SpeechMetric]) -> None:
        self._judges = judges
        self._waiting: list[tuple[Sequence[str], JudgedSpeech]] = []
        self._scores: dict[str, dict[str, list[Score | None]]] = defaultdict(lambda: defaultdict(list))

    def add(self, kinds: Sequence[str], speech: JudgedSpeech) -> None:
        """Judge an utterance, which belongs to these kinds."""
        self._waiting.append((kinds, speech))
        if len(self._waiting) == AT_ONCE:
            self._judge()

    def figures(self) -> dict[str, Figures]:
        """Return, for each kind, `count`, and of each score the value over all utterances and its spread.

        The spread of NAME is `NAME_std`, the standard deviation over the utterances that have a value.
        """
        self._judge()
        return {kind: _figures(scores) for kind, scores in self._scores.items()}

    def _judge(self) -> None:
        waiting, self._waiting = self._waiting, []
        for judge in self._judges:
            for (kinds, _), scores in zip(waiting, judge([speech for _, speech in waiting]), strict=True):
                for kind in kinds:
                    for name, score in scores.items():
                        self._scores[kind][name].append(score)


def _figures(scores: dict[str, list[Score | None]]) -> Figures:
    found: Figures = {"count": float(max(map(len, scores.values())))}
    for name, values in scores.items():
        found[name], found[f"{name}_std"] = summary(score for score in values if score is not None)
    return found


def summary(scores: Iterable[Score]) -> tuple[float | None, float | None]:
    """Return the value of all scores together and the standard deviation of their single values; None without any."""
    known = list(scores)
    totals, weights = (np.array([getattr(score, part) for score in known]) for part in ("total", "weight"))
    weighty = weights > 0
    if not weighty.any():
        return None, None
    return float(totals.sum() / weights.sum()), float(np.std(totals[weighty] / weights[weighty]))
