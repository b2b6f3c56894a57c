import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.pitch import Excitation, aperiodicity, shift_f0, track_f0
from sqspeech.vocoders.world import World

CONFIG = LogMelConfig()
RECORDING = "librispeech28/LibriSpeech/train-clean-5/3526/176653/3526-176653-0000.flac"


def analysed(samples: np.ndarray, semitones: float = 0.0) -> tuple[torch.Tensor, Excitation]:
    f0 = track_f0(samples, 16000, 160)
    excitation = Excitation(f0=shift_f0(f0, semitones), aperiodicity=aperiodicity(samples, f0, 16000, 160))
    return LogMel(CONFIG)(torch.from_numpy(samples)), excitation


def envelope_error(samples: np.ndarray, copy: np.ndarray) -> float:
    """RMS in dB over loud frames of the difference of the bands, each averaged with its neighbours, level left out."""
    mels = [torch.nn.functional.avg_pool1d(LogMel(CONFIG)(torch.from_numpy(x)), 15, 5) for x in (samples, copy)]
    count = min(map(len, mels))
    loud = mels[0][:count].mean(1) > mels[0].mean()
    difference = 80 * (mels[0][:count] - mels[1][:count])[loud]
    return (difference - difference.median()).square().mean().sqrt().item()


@pytest.mark.parametrize("semitones", [0.0, 5.0, -5.0])
def test_the_pitch_is_the_excitation_s_and_the_envelope_the_log_mel_s(speech, semitones):
    samples = audio.read(speech / RECORDING, 16000)[0][: 160 * 500]
    log_mel, excitation = analysed(samples, semitones)
    copy = World(CONFIG)(log_mel, excitation).numpy()
    assert len(copy) == (len(log_mel) - 1) * 160
    found = track_f0(copy, 16000, 160)
    both = (found > 0)[: len(excitation.f0)] & (excitation.f0[: len(found)] > 0)
    distance = 12 * np.log2(found[both] / excitation.f0[both])
    assert np.median(np.abs(distance)) < 0.3
    assert envelope_error(samples, copy) < 6.5


def test_equal_input_gives_equal_output():
    log_mel, excitation = analysed(voice(150.0, 0))
    assert torch.equal(World(CONFIG)(log_mel, excitation), World(CONFIG)(log_mel, excitation))


def test_silence_is_silent():
    mel, excitation = analysed(voice(150.0, 0))
    assert World(CONFIG)(torch.full_like(mel, -0.25), excitation).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("log_mel", "message"),
    [
        (torch.zeros(81, 40), "another config"),
        (torch.zeros(1, 80), "1 frames"),
        (torch.full((81, 80), torch.nan), "NaN or infinite"),
    ],
)
def test_what_is_no_log_mel_is_refused(log_mel, message):
    with pytest.raises(DataError, match=message):
        World(CONFIG)(log_mel, analysed(voice(150.0, 0))[1])


def test_an_excitation_of_another_length_is_refused():
    mel, excitation = analysed(voice(150.0, 0))
    for wrong in (None, excitation):
        with pytest.raises(ValueError, match="an excitation of 80 frames is needed"):
            World(CONFIG)(mel[:80], wrong)
