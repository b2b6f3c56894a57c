from dataclasses import replace

import numpy as np
import pytest

from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, JudgeSettings, Score, SpeechMetric
from sqspeech.evaluation.speech.panel import AT_ONCE, Panel, summary


class First(SpeechMetric):
    """The first sample as a share of the second, and as a value where it is positive."""

    def __init__(self) -> None:
        super().__init__(JudgeSettings())
        self.batches: list[int] = []

    def __call__(self, speech):
        self.batches.append(len(speech))
        pairs = [each.samples.tolist() for each in speech]
        return [{"rate": Score(a, b), "value": Score(a) if a > 0 else None} for a, b in pairs]


def speech(*pairs: tuple[float, float]) -> list[JudgedSpeech]:
    return [JudgedSpeech(samples=np.array(pair, np.float32), speaker="a") for pair in pairs]


def test_rates_are_pooled_and_values_averaged_each_with_its_spread():
    panel = Panel([First()])
    for each in speech((1, 2), (3, 4), (0, 10)):
        panel.add(["all", "some"], each)
    for each in speech((5, 5)):
        panel.add(["all"], each)
    figures = panel.figures()
    rates = [0.5, 0.75, 0.0]
    assert figures["some"] == pytest.approx(
        {"count": 3, "rate": 4 / 16, "rate_std": np.std(rates), "value": 2, "value_std": 1}
    )
    assert figures["all"]["count"] == 4
    assert figures["all"]["rate"] == pytest.approx(9 / 21)


def test_the_values_of_each_utterance_are_kept_by_kind():
    panel = Panel([First()])
    for name, each in zip("abc", speech((1, 2), (0, 4), (3, 0)), strict=True):
        panel.add(["all", "last"] if name == "c" else ["all"], replace(each, utt_id=name))
    assert panel.by_utterance() == {
        "all": {"a": {"rate": 0.5, "value": 1}, "b": {"rate": 0}, "c": {"value": 3}},
        "last": {"c": {"value": 3}},
    }


def test_what_has_no_value_has_none():
    panel = Panel([First()])
    panel.add(["bad"], speech((0, 0))[0])
    assert panel.figures() == {"bad": {"count": 1, "rate": None, "rate_std": None, "value": None, "value_std": None}}
    assert Panel([First()]).figures() == {}


def test_utterances_are_judged_together():
    judge = First()
    panel = Panel([judge])
    for each in speech(*[(1, 1)] * (AT_ONCE + 3)):
        panel.add(["all"], each)
    assert panel.figures()["all"]["count"] == AT_ONCE + 3
    assert judge.batches == [AT_ONCE, 3]


def test_errors_without_words_count_in_all_words_alone():
    assert summary([Score(100, 0), Score(100, 4)]) == (50, 0)
