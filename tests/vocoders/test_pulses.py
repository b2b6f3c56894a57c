import math

import numpy as np
import pytest
import torch

from sqspeech.features import LogMelConfig
from sqspeech.vocoders.pulses import REST, PulseTrack, fill, running_phase

CONFIG = LogMelConfig()
RATE, HOP = CONFIG.sample_rate, CONFIG.hop_length


def summed(f0: np.ndarray, voicing: np.ndarray, start: float, count: int) -> np.ndarray:
    """The cosines of all harmonics, one by one, of an F0 that is linear between the frames."""
    place = np.arange(count) / HOP
    low = place.astype(int)
    share, change = place - low, np.diff(f0, append=f0[-1])[low]
    turns = np.concatenate([[0], np.cumsum((f0[:-1] + f0[1:]) / 2)]) * HOP / RATE
    phase = start + 2 * math.pi * (turns[low] + HOP / RATE * (f0[low] * share + change * share**2 / 2))
    now = f0[low] + change * share
    harmonics = np.floor(RATE / 2 / now)
    total = sum(np.cos(k * phase) * (k <= harmonics) for k in range(1, int(harmonics.max()) + 1))
    return np.sqrt(2 / harmonics) * total * np.interp(place, np.arange(len(f0)), voicing)


@pytest.mark.parametrize("start", [0.0, 2.5])
def test_the_closed_form_is_the_sum_of_the_cosines(start):
    f0 = np.array([90.0, 97, 120, 220, 230, 183.3, 410, 1001])
    track = torch.from_numpy(f0)[None]
    phase = running_phase(track, CONFIG) + start
    samples = PulseTrack.of(track, phase).samples(CONFIG)[0].numpy()
    np.testing.assert_allclose(samples, summed(f0, np.ones(8), start, len(samples)), atol=1e-6)


def test_single_precision_is_enough():
    f0 = np.full(500, 87.25)
    track = torch.from_numpy(f0)[None]
    single = PulseTrack.of(track.float(), running_phase(track.float(), CONFIG)).samples(CONFIG)
    double = PulseTrack.of(track, running_phase(track, CONFIG)).samples(CONFIG)
    # 91 harmonics, whose pulses are 13 high.
    assert (single.double() - double).abs().max() < 5e-3


def test_pulses_fade_beside_voiced_frames_and_are_silent_elsewhere():
    f0 = torch.tensor([[0.0, 0, 0, 200, 200, 0, 0, 0]], dtype=torch.float64)
    phase = running_phase(f0, CONFIG)
    samples = PulseTrack.of(f0, phase).samples(CONFIG)[0]
    # Three frames are six periods.
    wanted = summed(np.full(8, 200.0), np.array([0, 0, 0, 1, 1, 0, 0, 0]), phase[0, 3].item(), len(samples))
    np.testing.assert_allclose(samples, wanted, atol=1e-6)
    assert not samples[: 2 * HOP].any()
    assert not samples[5 * HOP :].any()


def test_unvoiced_frames_have_the_pitch_of_their_neighbours():
    found = fill(torch.tensor([[0.0, 0, 150, 0, 180, 0, 0]]))
    assert found.tolist() == [[REST, 150, 150, 150, 180, 180, REST]]


def test_a_part_of_a_track_has_the_samples_of_the_whole():
    f0 = torch.rand(1, 40, dtype=torch.float64) * 100 + 100
    track = PulseTrack.of(f0, running_phase(f0, CONFIG)).extended(2, CONFIG)
    whole = track.samples(CONFIG)
    torch.testing.assert_close(track.part(7, 21).samples(CONFIG), whole[:, 7 * HOP : 20 * HOP])
    inner = PulseTrack.of(f0, running_phase(f0, CONFIG)).samples(CONFIG)
    torch.testing.assert_close(whole[:, 2 * HOP : -2 * HOP], inner)


def test_a_given_phase_is_met_at_the_frames():
    f0 = torch.full((1, 5), 100.0, dtype=torch.float64)
    phase = running_phase(f0, CONFIG) + torch.tensor([[0.0, 0.3, -0.2, 0.5, 0.1]])
    samples = PulseTrack.of(f0, phase).samples(CONFIG)[0]
    harmonics = torch.arange(1, 81)
    for frame in range(4):
        wanted = torch.cos(harmonics * phase[0, frame]).sum() * math.sqrt(2 / 80)
        assert samples[frame * HOP] == pytest.approx(wanted.item(), abs=1e-6)
