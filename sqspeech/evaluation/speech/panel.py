"""Scores of the judges, gathered by kind of speech."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, Score, Scores, SpeechMetric

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
        self._scores: dict[str, list[tuple[str, Scores]]] = defaultdict(list)

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
        return {kind: _figures([scores for _, scores in judged]) for kind, judged in self._scores.items()}

    def by_utterance(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return, for each kind, the single values of each utterance by its id, as far as it has some."""
        self._judge()
        return {
            kind: {
                utt_id: {name: score.total / score.weight for name, score in scores.items() if score and score.weight}
                for utt_id, scores in judged
            }
            for kind, judged in self._scores.items()
        }

    def _judge(self) -> None:
        waiting, self._waiting = self._waiting, []
        speech = [each for _, each in waiting]
        by_judge = [judge(speech) for judge in self._judges] if speech else []
        for (kinds, each), *found in zip(waiting, *by_judge, strict=True):
            merged = {name: score for scores in found for name, score in scores.items()}
            for kind in kinds:
                self._scores[kind].append((each.utt_id, merged))


def _figures(judged: Sequence[Scores]) -> Figures:
    found: Figures = {"count": float(len(judged))}
    for name in judged[0]:
        found[name], found[f"{name}_std"] = summary(score for scores in judged if (score := scores[name]) is not None)
    return found


def summary(scores: Iterable[Score]) -> tuple[float | None, float | None]:
    """Return the value of all scores together and the standard deviation of their single values; None without any."""
    known = list(scores)
    totals, weights = (np.array([getattr(score, part) for score in known]) for part in ("total", "weight"))
    weighty = weights > 0
    if not weighty.any():
        return None, None
    return float(totals.sum() / weights.sum()), float(np.std(totals[weighty] / weights[weighty]))
