import numpy as np
import pytest
from corpus import voice

from sqspeech.pitch import (
    Excitation,
    SpeakerPitch,
    aperiodicity,
    f0_range,
    harvest_f0,
    move_f0,
    quick_f0,
    shift_f0,
    speaker_pitch,
    track_f0,
)
from sqspeech.vocoders.world import synthesize

RATE, HOP = 16000, 160


def steady(f0: float, seconds: float = 1.0) -> np.ndarray:
    """Harmonics of one F0, falling by 6 dB an octave."""
    time = np.arange(round(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * k * f0 * time + k * k) / k for k in range(1, int(7000 / f0))]
    return np.sum(parts, axis=0).astype(np.float32) / 4


@pytest.mark.parametrize("f0", [80.0, 120.0, 230.0, 400.0])
@pytest.mark.parametrize("track", [quick_f0, track_f0])
def test_the_f0_of_a_steady_voice_is_found_in_every_frame(track, f0):
    found = track(steady(f0), RATE, HOP)
    assert found.shape == (101,)
    middle = found[10:-10]
    assert (np.abs(12 * np.log2(middle / f0)) < 0.1).all()


@pytest.mark.parametrize("f0", [45.0, 55.0, 58.0, 520.0, 700.0, 900.0])
@pytest.mark.parametrize("track", [quick_f0, track_f0])
def test_a_voice_outside_the_usual_range_is_found_and_not_an_octave_of_it(track, f0):
    for samples in (steady(f0, 1.5), voice(f0, 3, 1.5)):
        middle = track(samples, RATE, HOP)[10:-10]
        assert (np.abs(12 * np.log2(middle[middle > 0] / f0)) < 2.5).all()
        assert (middle > 0).mean() > 0.95


def test_hum_under_noise_is_no_voice():
    time = np.arange(2 * RATE) / RATE
    hum = (0.02 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)
    noise = (0.1 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
    assert not quick_f0(hum + noise, RATE, HOP).any()


def test_an_unusual_voice_keeps_its_pitch():
    f0 = np.full(100, 52.0)
    low, high = SpeakerPitch(log_mean=np.log(52.0), log_std=0.1), SpeakerPitch(log_mean=np.log(650.0), log_std=0.1)
    np.testing.assert_allclose(shift_f0(f0, 0.0), f0)
    np.testing.assert_allclose(move_f0(f0, low, low), f0)
    np.testing.assert_allclose(move_f0(f0, low, high), 650.0)


@pytest.mark.parametrize("length", [1025, 1120, 15999, 16000, 16001])
def test_frames_are_those_of_the_log_mel(length):
    samples = steady(150.0)[:length] if length <= 16000 else np.append(steady(150.0), np.float32(0))
    for track in (quick_f0, track_f0):
        assert len(track(samples, RATE, HOP)) == 1 + length // HOP
    f0 = track_f0(samples, RATE, HOP)
    assert aperiodicity(samples, f0, RATE, HOP).shape == (len(f0), 513)


def test_aperiodicity_is_computed_once_and_when_it_is_read():
    computed = []

    def compute() -> np.ndarray:
        computed.append(None)
        return np.linspace(0, 1, 50).reshape(10, 5)

    excitation = Excitation(f0=np.zeros(10), aperiodicity=compute)
    part = excitation.part(slice(2, 4))
    assert len(part.f0) == 2
    assert not computed
    np.testing.assert_array_equal(part.aperiodicity, compute()[2:4])
    np.testing.assert_array_equal(excitation.aperiodicity, excitation.aperiodicity)
    assert len(computed) == 2


def test_harvest_and_the_search_find_the_same_pitch():
    samples = voice(140.0, 1, 1.5)
    one, other = harvest_f0(samples, RATE, HOP)[10:-10], track_f0(samples, RATE, HOP)[10:-10]
    assert np.median(np.abs(1200 * np.log2(one / other))) < 10


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert (quick_f0(np.zeros(RATE, np.float32), RATE, HOP) == 0).all()
    f0 = track_f0(noise, RATE, HOP)
    assert aperiodicity(noise, f0, RATE, HOP)[:, 200:].mean() > 0.9


def test_octave_errors_are_outside_a_speaker_s_range():
    f0 = np.repeat([110.0, 120.0, 130.0, 240.0, 60.0, 0.0], [30, 30, 30, 8, 6, 50])
    low, high = f0_range(f0)
    assert 60 < low < 110
    assert 130 < high < 240
    pitch = speaker_pitch([f0[:40], f0[40:]])
    clean = np.log(np.repeat([110.0, 120.0, 130.0], 30))
    assert (pitch.log_mean, pitch.log_std) == pytest.approx((clean.mean(), clean.std()))


def test_too_little_voiced_speech_says_nothing():
    assert f0_range(np.zeros(100)) == (60.0, 500.0)
    assert speaker_pitch([]) is None
    assert speaker_pitch([np.full(19, 100.0)]) is None
    assert speaker_pitch([np.full(20, 100.0)]).median_hz == pytest.approx(100.0)


def test_moved_f0_has_the_target_s_statistics():
    rng = np.random.default_rng(0)
    f0 = np.where(rng.random(2000) < 0.6, 120 * np.exp(0.15 * rng.standard_normal(2000)), 0.0)
    source, target = speaker_pitch([f0]), SpeakerPitch(log_mean=np.log(210.0), log_std=0.12)
    moved = move_f0(f0, source, target)
    assert ((moved > 0) == (f0 > 0)).all()
    inside = (f0 > 80) & (f0 < 180)
    expected = (np.log(f0[inside]) - source.log_mean) / source.log_std * 0.12 + np.log(210.0)
    np.testing.assert_allclose(np.log(moved[inside]), expected)


def test_a_monotonous_source_is_not_blown_up():
    f0 = np.array([120.0, 121.0])
    flat, lively = SpeakerPitch(log_mean=np.log(120.0), log_std=0.0), SpeakerPitch(log_mean=np.log(200.0), log_std=0.3)
    moved = move_f0(f0, flat, lively)
    assert np.log(moved[1] / moved[0]) == pytest.approx(2 * np.log(121 / 120))


def test_a_shift_is_in_semitones_and_stays_within_a_voice():
    np.testing.assert_allclose(shift_f0(np.array([0.0, 100.0, 480.0]), 12.0), [0.0, 200.0, 500.0])


def test_what_is_synthesised_has_the_pitch_that_it_was_given():
    samples = voice(120.0, 0, 1.5)
    f0 = track_f0(samples, RATE, HOP)
    excitation = Excitation(f0=shift_f0(f0, 5.0), aperiodicity=aperiodicity(samples, f0, RATE, HOP))
    made = synthesize(excitation, np.full((len(f0), 513), 1e-4), RATE, HOP)
    assert len(made) == pytest.approx(len(f0) * HOP, abs=HOP)
    found, wanted = track_f0(made.astype(np.float32), RATE, HOP)[10:130], excitation.f0[10:130]
    both = (found > 0) & (wanted > 0)
    assert both.mean() > 0.8
    assert np.median(np.abs(12 * np.log2(found[both] / wanted[both]))) < 0.1
