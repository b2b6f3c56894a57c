import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech.features import LogMel, LogMelConfig
from sqspeech.pitch import Excitation, aperiodicity, track_f0
from sqspeech.vocoders.griffin_lim import GriffinLim
from sqspeech.vocoders.world import World
from sqspeech.vocoders.world_refined import WorldRefined

CONFIG = LogMelConfig()


@pytest.fixture(scope="module")
def source() -> tuple[torch.Tensor, torch.Tensor, Excitation]:
    """Samples with the peak that the features take them to have, their log-mel and their excitation."""
    samples = voice(150.0, 0)
    samples *= CONFIG.peak / np.abs(samples).max()
    f0 = track_f0(samples, 16000, 160)
    excitation = Excitation(f0=f0, aperiodicity=aperiodicity(samples, f0, 16000, 160))
    return torch.from_numpy(samples), LogMel(CONFIG)(torch.from_numpy(samples)), excitation


def error(log_mel: torch.Tensor, samples: torch.Tensor) -> float:
    """RMS in dB over the bands that sound of the difference to the log-mel, the level left out."""
    difference = (LogMel(CONFIG)(samples) - log_mel)[log_mel > 0.25] * CONFIG.top_db
    return (difference - difference.median()).square().mean().sqrt().item()


def test_the_bands_are_nearer_than_world_s_and_the_pitch_is_kept(source):
    _, log_mel, excitation = source
    plain, refined = (vocoder(log_mel, excitation) for vocoder in (World(CONFIG), WorldRefined(CONFIG)))
    assert refined.shape == plain.shape
    assert error(log_mel, refined) < 0.5 * error(log_mel, plain)
    found = track_f0(refined.numpy(), 16000, 160)
    both = (found > 0) & (excitation.f0 > 0)
    assert both.mean() > 0.9
    assert np.median(np.abs(12 * np.log2(found[both] / excitation.f0[both]))) < 0.1


def test_what_has_the_log_mel_stays_as_it_is(source):
    samples, log_mel, _ = source
    refined = GriffinLim(CONFIG, iterations=8).refine(log_mel, samples)
    assert (refined - samples).norm() < 0.05 * samples.norm()


def test_equal_input_gives_equal_output(source):
    _, *given = source
    assert torch.equal(WorldRefined(CONFIG)(*given), WorldRefined(CONFIG)(*given))


def test_silence_is_silent(source):
    _, log_mel, excitation = source
    assert not WorldRefined(CONFIG)(torch.full_like(log_mel, -0.25), excitation).any()
