"""Units of changed recordings: what the changes are, and the edit distance against a table filled by a loop."""

from itertools import groupby

import numpy as np
import pytest
from corpus import voice
from units_models import make_model

from sqspeech.codec import Codec
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics import invariance
from sqspeech.evaluation.metrics.invariance import CHANGES, run_distance, unit_edit_distances, with_noise
from sqspeech.failures import Failures
from sqspeech.units import Units


def slow_distance(one: list, other: list) -> int:
    table = {(0, place): place for place in range(len(other) + 1)}
    table |= {(place, 0): place for place in range(len(one) + 1)}
    for row, a in enumerate(one, 1):
        for column, b in enumerate(other, 1):
            swapped = table[row - 1, column - 1] + (a != b)
            table[row, column] = min(swapped, table[row - 1, column] + 1, table[row, column - 1] + 1)
    return table[len(one), len(other)]


def runs_of(codes: np.ndarray) -> list:
    return [key for key, _ in groupby(codes.tolist())]


@pytest.mark.parametrize("shape", [(), (2,)], ids=["one stage", "two stages"])
def test_the_distance_is_that_of_the_runs(shape):
    random = np.random.default_rng(len(shape))
    for _ in range(10):
        one, other = (random.integers(3, size=(random.integers(1, 20), *shape)) for _ in range(2))
        assert run_distance(Units(codes=one), Units(codes=other)) == slow_distance(runs_of(one), runs_of(other))


def frequency(samples: np.ndarray) -> float:
    """Of a sine, from the peak of its spectrum, in Hz at 16 kHz."""
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 2**18)).argmax() * 16000 / 2**18)


def test_the_changes_do_what_their_names_say():
    sine = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    found = {name: change(sine, 16000) for name, change in CHANGES.items()}
    assert frequency(found["pitch -4 semitones"]) == pytest.approx(440 * 2 ** (-4 / 12), rel=5e-3)
    assert frequency(found["pitch +4 semitones"]) == pytest.approx(440 * 2 ** (4 / 12), rel=5e-3)
    assert [len(found[name]) for name in CHANGES if "tempo" not in name] == pytest.approx([16000] * 4, abs=1)
    for factor in (0.8, 1.2):
        assert len(found[f"tempo {factor}"]) == pytest.approx(16000 / factor, abs=1)
        assert frequency(found[f"tempo {factor}"]) == pytest.approx(440, rel=5e-3)
    for decibels in (15, 5):
        noise = found[f"noise {decibels} dB"] - sine
        assert 10 * np.log10(np.mean(sine**2) / np.mean(noise**2)) == pytest.approx(decibels, abs=1e-3)
    np.testing.assert_array_equal(found["noise 5 dB"], with_noise(sine, 16000, 5))


def test_distances_are_pooled_over_the_recordings(monkeypatch):
    codec, failures = Codec(make_model()), Failures()
    recordings = {"a": voice(150.0, 1), "b": voice(110.0, 2, seconds=1.5), "short": voice(150.0, 3, seconds=0.1)}
    changes = {"none": lambda samples, rate: samples, "cut": lambda samples, rate: samples[: len(samples) // 2]}
    monkeypatch.setattr(invariance, "CHANGES", changes)
    found = unit_edit_distances(codec, recordings, failures)
    runs = {name: runs_of(codec.encode(recordings[name]).codes) for name in "ab"}
    halves = {name: runs_of(codec.encode(changes["cut"](recordings[name], 16000)).codes) for name in "ab"}
    distance = sum(slow_distance(runs[name], halves[name]) for name in "ab")
    assert found == {"none": 0, "cut": pytest.approx(100 * distance / sum(map(len, runs.values())))}
    assert found["cut"] > 10
    assert failures.reasons.keys() == {"short"}
    with pytest.raises(DataError, match="long enough"):
        unit_edit_distances(codec, {"short": recordings["short"]}, failures)
