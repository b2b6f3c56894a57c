import numpy as np
import pytest

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.quality import Quality
from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, JudgeSettings


def test_natural_speech_is_better_than_noisy_speech_and_than_noise(speech):
    pytest.importorskip("distillmos")
    pytest.importorskip("speechmos")
    samples = DataDir.read(speech / "librispeech28").utterances[3].read(16000)
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    scores = Quality(JudgeSettings())(
        [JudgedSpeech(samples=each, speaker="a") for each in (samples, samples + noise, noise)]
    )
    assert scores[0].keys() == {"distillmos", "dnsmos_overall", "dnsmos_signal", "dnsmos_background", "dnsmos_p808"}
    for name in ("distillmos", "dnsmos_overall"):
        natural, *noisy = (each[name].total for each in scores)
        assert natural > max(noisy) + 1
