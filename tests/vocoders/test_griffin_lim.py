import math
from pathlib import Path

import numpy as np
import pytest
import pyworld
import torch
from jaxtyping import Float
from torch import Tensor

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.vocoders.griffin_lim import GriffinLim

SPEECH = Path(__file__).resolve().parents[2] / "../shared/speech"
RECORDINGS = [
    "librispeech28/LibriSpeech/train-clean-5/3526/176653/3526-176653-0000.flac",
    "vctk_sample/VCTK-Corpus/wav48/p225/p225_001.wav",
]
CONFIG = LogMelConfig()
SMALL = LogMelConfig(n_mels=40, n_fft=1024)


def harmonic_tones(f0: float, seconds: float = 1.0) -> Float[Tensor, " N"]:
    """Harmonics of `f0` under 7 kHz, falling by 6 dB an octave, with unrelated phases."""
    time = torch.arange(round(seconds * CONFIG.sample_rate)) / CONFIG.sample_rate
    orders = range(1, int(7000 / f0) + 1)
    return torch.stack([torch.sin(2 * math.pi * k * f0 * time + k * k) / k for k in orders]).sum(0)


def f0_of(samples: Tensor) -> np.ndarray:
    return pyworld.harvest(samples.double().numpy(), CONFIG.sample_rate)[0]


def level_free_error(log_mel: Tensor, other: Tensor) -> float:
    """RMS in dB of the log-mel difference less its median: the level follows the peak, which phases move."""
    difference = (log_mel - other) * CONFIG.top_db
    return (difference - difference.median()).square().mean().sqrt().item()


# Forty bands do not tell low pitches.
@pytest.mark.parametrize(("config", "f0"), [(CONFIG, 140.0), (CONFIG, 220.0), (SMALL, 300.0)])
def test_keeps_the_pitch_and_the_bands_of_harmonic_tones(config: LogMelConfig, f0: float):
    log_mel = LogMel(config)(harmonic_tones(f0))
    samples = GriffinLim(config)(log_mel)
    track = f0_of(samples)
    assert (track > 0).mean() > 0.9
    assert abs(1200 * math.log2(np.median(track[track > 0]) / f0)) < 10
    assert level_free_error(LogMel(config)(samples), log_mel) < 2.5


@pytest.mark.parametrize("recording", RECORDINGS)
def test_keeps_the_bands_and_the_pitch_of_speech(recording: str):
    if not (SPEECH / recording).is_file():
        pytest.skip("no recordings here")
    samples = torch.from_numpy(audio.read(SPEECH / recording, CONFIG.sample_rate)[0])[: 160 * 300]
    log_mel = LogMel(CONFIG)(samples)
    copy = GriffinLim(CONFIG)(log_mel)
    assert level_free_error(LogMel(CONFIG)(copy), log_mel) < 1.8
    original, copied = f0_of(samples[: len(copy)]), f0_of(copy)
    voiced = (original > 0) & (copied > 0)
    assert voiced.sum() > 0.8 * (original > 0).sum()
    assert np.median(np.abs(1200 * np.log2(copied[voiced] / original[voiced]))) < 10


@pytest.mark.parametrize("frames", [2, 3, 7, 50])
@pytest.mark.parametrize("config", [CONFIG, SMALL, LogMelConfig(win_length=401, hop_length=100, pad_mode="constant")])
def test_has_a_hop_of_samples_between_frames(config: LogMelConfig, frames: int):
    log_mel = torch.rand(frames, config.n_mels, generator=torch.Generator().manual_seed(0))
    samples = GriffinLim(config, iterations=2)(log_mel)
    assert samples.shape == ((frames - 1) * config.hop_length,)
    assert samples.dtype == torch.float32
    if len(samples) > config.n_fft // 2:
        assert len(LogMel(config)(samples)) == frames


def test_a_click_stays_in_its_place():
    samples = torch.zeros(16000)
    samples[8000] = 1
    copy = GriffinLim(CONFIG, iterations=32)(LogMel(CONFIG)(samples))
    energy = copy.square()
    assert energy[8000 - 200 : 8000 + 200].sum() > 0.9 * energy.sum()


def test_silence_is_silent():
    log_mel = LogMel(CONFIG)(torch.zeros(16000))
    assert GriffinLim(CONFIG, iterations=4)(log_mel).abs().max() < 1e-6


@pytest.mark.parametrize("values", [(-1e30, 1e30), (3e38, 3e38), (-3e38, -3e38), (5.0, 6.0), (-0.25, 1.5)])
def test_extreme_values_stay_finite(values: tuple[float, float]):
    log_mel = torch.full((20, 80), values[0])
    log_mel[5:10, 10:60] = values[1]
    samples = GriffinLim(CONFIG, iterations=4)(log_mel)
    assert torch.isfinite(samples).all()


def test_values_at_the_floor_add_nothing():
    log_mel = LogMel(CONFIG)(harmonic_tones(150.0, 0.5))
    floored = torch.cat([log_mel, torch.full((50, 80), log_mel.max().item() - 1)])
    samples = GriffinLim(CONFIG, iterations=8)(floored)
    assert samples[-4000:].abs().max() < 1e-5


def test_repeats_itself_and_leaves_the_global_random_state():
    log_mel = LogMel(CONFIG)(harmonic_tones(150.0, 0.5))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = GriffinLim(CONFIG, iterations=4)(log_mel)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(GriffinLim(CONFIG, iterations=4)(log_mel), first)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives():
    log_mel = LogMel(CONFIG)(harmonic_tones(150.0, 0.5))
    copy = GriffinLim(CONFIG, iterations=4)(log_mel.cuda())
    assert copy.is_cuda
    # The phase of a bin that is nearly empty is rounding's, so that single samples may differ by more.
    expected = GriffinLim(CONFIG, iterations=4)(log_mel)
    assert (copy.cpu() - expected).norm() < 0.01 * expected.norm()


@pytest.mark.parametrize(
    ("log_mel", "message"),
    [
        (torch.zeros(10, 40), r"\(10, 40\) where \(frames, 80\)"),
        (torch.zeros(1, 80), "1 frames"),
        (torch.full((10, 80), torch.nan), "NaN"),
    ],
)
def test_refuses_what_is_no_log_mel_of_the_config(log_mel: Tensor, message: str):
    with pytest.raises(DataError, match=message):
        GriffinLim(CONFIG, iterations=1)(log_mel)
