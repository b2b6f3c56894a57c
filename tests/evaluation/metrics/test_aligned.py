import sys

import numpy as np
import pytest
from corpus import voice

from sqspeech.errors import SqspeechError
from sqspeech.evaluation.metrics.aligned import Aligned
from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, JudgeSettings

SOURCE = voice(120.0, 0, 3.0)


@pytest.fixture
def measure():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")

    def measure(*results: np.ndarray, aligned: bool = True, source: np.ndarray = SOURCE):
        speech = [JudgedSpeech(samples=each, speaker="a", source=source, aligned=aligned) for each in results]
        found = Aligned(JudgeSettings())(speech)
        return [tuple(scores[name] and scores[name].total for name in ("pesq", "stoi")) for scores in found]

    return measure


def test_the_recording_is_best_and_noise_lowers_both(measure):
    noise = np.random.default_rng(0).standard_normal(len(SOURCE)).astype(np.float32)
    values = np.array(measure(SOURCE, SOURCE + 0.01 * noise, SOURCE + 0.1 * noise))
    assert values[0] == pytest.approx([4.64, 1.0], abs=0.01)
    assert (np.diff(values, axis=0) < 0).all()


def test_they_are_those_of_the_packages(measure):
    import pesq
    import pystoi

    other = SOURCE + np.float32(0.03) * voice(150.0, 1, 3.0)
    assert measure(other) == [(pesq.pesq(16000, SOURCE, other, "wb"), pystoi.stoi(SOURCE, other, 16000))]


def test_what_is_not_aligned_too_short_or_silent_has_none(measure):
    silence = np.zeros_like(SOURCE)
    assert measure(SOURCE, aligned=False) == [(None, None)]
    assert measure(silence, SOURCE) == [(None, None), measure(SOURCE)[0]]
    assert measure(SOURCE[:800], source=SOURCE[:800]) == [(None, None)]


@pytest.mark.parametrize("package", ["pesq", "pystoi"])
def test_a_missing_package_names_the_extra(package, monkeypatch):
    pytest.importorskip("pesq")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SqspeechError, match=rf"{package} is not installed.*judges"):
        Aligned(JudgeSettings())
