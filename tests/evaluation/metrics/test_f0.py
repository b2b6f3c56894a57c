from collections.abc import Mapping

import numpy as np
import pytest
from corpus import voice

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.conversion_metric import ConversionTestData, ConvertedUtterance, Speech
from sqspeech.evaluation.metrics.f0 import F0Distance, f0_distances

DATA = ConversionTestData(sample_rate=16000, hop_length=160, pitch={}, test=[], train=DataDir(()))


def distances(samples: np.ndarray, reference: np.ndarray | None) -> Mapping[str, float | None]:
    speech = Speech(samples, 16000)
    other = None if reference is None else Speech(reference, 16000)
    return F0Distance(DATA)(ConvertedUtterance(speech=speech, speaker="x", source=speech, reference=other))


def test_an_utterance_has_no_distance_to_itself():
    samples = voice(120.0, 0, 1.0)
    found = distances(samples, samples)
    assert found["f0_rmse_semitones"] == pytest.approx(0)
    assert found["f0_correlation"] == pytest.approx(1)
    assert found["voicing_error"] == 0


def test_a_shifted_pitch_is_an_error_of_as_many_semitones():
    low, high = voice(120.0, 0, 1.0), voice(120.0 * 2 ** (3 / 12), 0, 1.0)
    found = distances(high, low)
    assert found["f0_rmse_semitones"] == pytest.approx(3, abs=0.3)
    assert found["f0_correlation"] > 0.9


def test_without_a_reference_there_is_no_distance():
    assert set(distances(voice(120.0, 0, 1.0), None).values()) == {None}


def test_distances_by_hand():
    f0 = np.array([0.0, 0.0, *[200.0] * 12, *[100.0] * 6])
    reference = np.array([0.0, 150.0, *[100.0] * 12, *[100.0] * 6])
    found = f0_distances(f0, reference)
    assert found["f0_rmse_semitones"] == pytest.approx(12 * (12 / 18) ** 0.5)
    assert found["f0_correlation"] is None  # the reference is constant
    assert found["voicing_error"] == pytest.approx(100 / 20)
    assert f0_distances(f0[:11], reference[:11])["f0_rmse_semitones"] is None  # 9 frames
