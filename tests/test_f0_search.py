from itertools import product

import numpy as np
import pytest

from sqspeech import f0_search
from sqspeech.f0_search import search_f0
from sqspeech.pitch import track_f0

RATE, HOP = 16000, 160
VOWELS = {"a": (730, 1090, 2440), "i": (270, 2290, 3010), "u": (300, 870, 2240), "e": (530, 1840, 2480)}


def vowel(f0: np.ndarray, formants: tuple[int, ...]) -> np.ndarray:
    """Pulses of a pitch (N,) through resonators of 100 Hz, a harmonic at a time."""
    phase, time = 2 * np.pi * np.cumsum(f0) / RATE, np.zeros(len(f0))
    for k in range(1, int(7000 / f0.max())):
        gain = np.prod([fc**2 / np.hypot(fc**2 - (k * f0) ** 2, 100 * k * f0) for fc in (*formants, 3500)], axis=0)
        time += gain / k * np.cos(k * phase)
    return time


@pytest.mark.parametrize("formants", VOWELS.values(), ids=VOWELS)
@pytest.mark.parametrize("middle", [75.0, 110.0, 160.0, 220.0, 300.0])
def test_a_gliding_pitch_through_formants_is_found_without_octave_errors(middle, formants):
    time = np.arange(2 * RATE) / RATE
    f0 = middle * np.exp(0.15 * np.sin(2 * np.pi * 0.8 * time))
    samples = vowel(f0, formants)
    voiced = (time > 0.2) & (time < 0.9) | (time > 1.1) & (time < 1.8)
    noise = np.random.default_rng(0).standard_normal(len(time)) * samples.std()
    samples = (np.where(voiced, samples, 0) + 0.1 * noise).astype(np.float32)
    found, wanted = track_f0(samples, RATE, HOP)[:-1], f0[::HOP]
    shifted = [np.roll(voiced, shift * HOP)[::HOP] for shift in (-2, 0, 2)]
    inside, outside = np.all(shifted, axis=0), ~np.any(shifted, axis=0)
    both = inside & (found > 0)
    assert both.sum() > 0.97 * inside.sum()
    cents = np.abs(1200 * np.log2(found[both] / wanted[both]))
    assert cents.max() < 100
    assert np.median(cents) < 10
    assert (found[outside] == 0).mean() > 0.8


def test_a_voice_40_db_below_the_loudest_is_found_too():
    f0 = np.full(RATE, 120.0)
    samples = vowel(f0, VOWELS["a"]) * np.where(np.arange(RATE) < RATE // 2, 1.0, 0.01)
    found = search_f0(samples, RATE, HOP, 80.0, 300.0)
    np.testing.assert_allclose(found[60:95], 120.0, rtol=0.01)


def test_a_narrow_range_has_fewer_periods_than_candidates():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    np.testing.assert_allclose(search_f0(tone, 8000, 80, 800.0, 1100.0)[5:-5], 1000.0, rtol=0.01)


def test_f0_is_within_its_limits():
    noise = np.random.default_rng(0).standard_normal(RATE)
    samples = vowel(np.full(RATE, 100.0), VOWELS["a"]) / 20 + noise
    found = search_f0(samples, RATE, HOP, 150.0, 300.0)
    assert ((found == 0) | ((found > 149) & (found < 302))).all()


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.full(RATE, 0.5), np.zeros(1)])
def test_what_has_no_sound_has_no_pitch(samples):
    found = search_f0(samples, RATE, HOP, 60.0, 500.0)
    assert found.shape == (1 + len(samples) // HOP,)
    assert not found.any()


def test_frames_are_the_same_however_many_are_looked_at_together(monkeypatch):
    samples = vowel(np.linspace(100, 200, RATE), VOWELS["e"])
    whole = search_f0(samples, RATE, HOP, 60.0, 500.0)
    monkeypatch.setattr(f0_search, "FRAMES_AT_ONCE", 7)
    np.testing.assert_allclose(search_f0(samples, RATE, HOP, 60.0, 500.0), whole, rtol=1e-6)


def test_the_path_is_the_best_of_all_paths():
    rng = np.random.default_rng(0)
    for _ in range(20):
        strength, costs = rng.random((5, 3)), rng.random((4, 3, 3))

        def value(path, strength=strength, costs=costs):
            steps = zip(costs, path[1:], path, strict=False)
            return sum(strength[np.arange(5), list(path)]) - sum(cost[now, before] for cost, now, before in steps)

        best = max(product(range(3), repeat=5), key=value)
        assert tuple(f0_search._best_path(strength, costs)) == best
