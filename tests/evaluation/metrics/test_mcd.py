import numpy as np
import pytest
from corpus import voice

from sqspeech.evaluation.metrics.mcd import cepstral_distortion
from sqspeech.evaluation.metrics.mel_cepstrum import WARPING, Analysis, align, mel_cepstrum

GRID = np.linspace(0, np.pi, 513)
WARPED = GRID + 2 * np.arctan(WARPING * np.sin(GRID) / (1 - WARPING * np.cos(GRID)))


@pytest.mark.parametrize("order", [1, 5, 20])
def test_a_ripple_over_the_warped_frequency_is_one_coefficient(order):
    power = np.exp(2 * (0.3 + 0.7 * np.cos(order * WARPED)))
    (cepstrum,) = mel_cepstrum(power[None])
    expected = np.zeros(25)
    expected[[0, order]] = 0.3, 0.7
    np.testing.assert_allclose(cepstrum, expected, atol=3e-3)


def test_the_distortion_is_the_rms_difference_of_the_envelopes_in_decibels():
    a, b = (object.__new__(Analysis) for _ in range(2))
    rng = np.random.default_rng(0)
    a.cepstrum, b.cepstrum = rng.normal(size=(2, 7, 25))
    path = np.stack([np.arange(7)] * 2, axis=1)
    # ln |H| on a fine grid of the warped frequency, straight from the definition.
    w = np.linspace(0, np.pi, 20_001)
    cosines = np.cos(np.arange(25)[:, None] * w)
    decibels = 20 / np.log(10) * (a.cepstrum - b.cepstrum)[:, 1:] @ cosines[1:]
    rms = np.sqrt(np.trapezoid(decibels**2, w) / np.pi)
    assert cepstral_distortion(a, b, path) == pytest.approx(rms.mean(), rel=1e-3)


def test_level_and_tempo_do_not_count_and_the_vowel_does():
    samples = voice(120.0, 0, 1.0)
    one = Analysis(samples, 16000)
    louder = Analysis(0.3 * samples, 16000)
    assert cepstral_distortion(one, louder, align(one, louder)) < 0.3
    assert cepstral_distortion(one, louder, align(one, louder), first=0) > 5  # 10 dB of level
    slower = Analysis(np.concatenate([samples, samples[-4000:]]), 16000)
    other = Analysis(voice(120.0, 1, 1.0), 16000)
    assert cepstral_distortion(one, slower, align(one, slower)) < 2
    assert cepstral_distortion(one, other, align(one, other)) > 6


def test_silence_is_left_out():
    samples = np.concatenate([np.zeros(16000, np.float32), voice(120.0, 0, 1.0)])
    assert len(Analysis(samples, 16000).cepstrum) == pytest.approx(200, abs=10)
