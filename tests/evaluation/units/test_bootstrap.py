"""Bootstrap over speakers, with a metric that is the mean of a value of each speaker."""

from types import SimpleNamespace

import numpy as np
import pytest

from sqspeech.evaluation.metrics.unit_metric import TableRow, UnitMetric
from sqspeech.evaluation.units.bootstrap import DRAWS, differences, interval, speaker_draws

SPEAKERS = list("abcdefgh")
VALUES = {
    "x": np.arange(8.0),
    "y": np.arange(8.0)[::-1] ** 2,
    "y2": np.arange(8.0)[::-1] ** 2 + 2,
    "mfcc": np.full(8, 3.0),
}


class MeanOfSpeakers(UnitMetric):
    rows = (TableRow(name="mean", keys=("of", "mean"), baseline=("mean",)), TableRow(name="none", keys=("none",)))

    def redrawn(self, name, weights):
        of_speakers = sum(weights[speaker] * value for speaker, value in zip(SPEAKERS, VALUES[name], strict=True))
        return {("mean",) if name == "mfcc" else ("of", "mean"): of_speakers / len(SPEAKERS)}


METRICS = [MeanOfSpeakers(SimpleNamespace()), UnitMetric(SimpleNamespace())]


def test_draws_are_of_as_many_speakers_with_replacement() -> None:
    draws = np.array(list(speaker_draws(SPEAKERS).values()))
    assert draws.shape == (8, 1 + DRAWS)
    assert (draws[:, 0] == 1).all()
    assert (draws.sum(axis=0) == 8).all()
    # The number of times that a speaker is drawn is binomial, of variance 8 (1/8) (7/8).
    assert draws[:, 1:].var() == pytest.approx(7 / 8, rel=0.05)


def test_the_interval_equals_a_loop_over_the_draws() -> None:
    found = differences(METRICS, {"x": ["x"], "y": ["y", "y2"]}, "x", SPEAKERS)
    draws = np.array(list(speaker_draws(SPEAKERS).values())).astype(int)
    expected = []
    for draw in draws.T:
        drawn = [number for number, count in enumerate(draw) for _ in range(count)]
        expected.append(np.mean([(VALUES["y"][n] + VALUES["y2"][n]) / 2 - VALUES["x"][n] for n in drawn]))
    of_draws = sorted(expected[1:])
    assert found == {
        "y": {
            "of": {
                "mean": {
                    "difference": pytest.approx(expected[0]),
                    "low": pytest.approx(of_draws[DRAWS // 40], rel=0.02),
                    "high": pytest.approx(of_draws[-DRAWS // 40 - 1], rel=0.02),
                }
            }
        }
    }


def test_a_system_against_itself_is_zero() -> None:
    found = differences(METRICS, {"x": ["y", "y2"], "again": ["y2", "y"]}, "x", SPEAKERS)
    assert found["again"]["of"]["mean"] == {"difference": 0, "low": 0, "high": 0}


def test_a_baseline_is_a_reference() -> None:
    found = differences(METRICS, {"x": ["x"], "y": ["y"]}, "mfcc", SPEAKERS)
    assert found["x"]["of"]["mean"]["difference"] == pytest.approx(0.5)
    assert found["x"]["of"]["mean"]["low"] < 0 < found["y"]["of"]["mean"]["low"]


def test_draws_without_a_value_do_not_count() -> None:
    values = np.array([5.0, np.nan, *range(101)])
    assert interval(values) == {"difference": 5.0, "low": 2.5, "high": 97.5}
