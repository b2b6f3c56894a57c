"""Distance between the units of a recording and of the same with another pitch, another tempo, or noise."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.codec import Codec
from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.symbols import symbols
from sqspeech.failures import Failures
from sqspeech.progress import track

type Samples = NDArray[np.float32]

# In samples, of the windows of a phase vocoder.
SIZE, HOP = 1024, 256


def with_pitch(samples: Samples, sample_rate: int, semitones: float) -> Samples:
    """Return samples (N,) raised by semitones, at the same tempo; formants move along."""
    ratio = 2 ** (semitones / 12)
    slower = with_tempo(samples, sample_rate, 1 / ratio)
    found: Samples = audio.resample(slower, round(ratio * sample_rate), sample_rate)[: len(samples)]
    return found


def with_tempo(samples: Samples, sample_rate: int, factor: float) -> Samples:
    """Return samples (N,) that are faster by a factor, at the same pitch."""
    window, bins = torch.hann_window(SIZE), SIZE // 2 + 1
    spectrum = torch.stft(torch.from_numpy(samples), SIZE, HOP, window=window, return_complex=True, pad_mode="constant")
    advance = torch.linspace(0, torch.pi * HOP, bins).unsqueeze(1)
    stretched = torchaudio.functional.phase_vocoder(spectrum, factor, advance)
    found: Samples = torch.istft(stretched, SIZE, HOP, window=window, length=round(len(samples) / factor)).numpy()
    return found


def with_noise(samples: Samples, sample_rate: int, decibels: float) -> Samples:
    """Return samples (N,) with white noise at a ratio of the signal's power to its power; the same noise each time."""
    noise = np.random.default_rng(0).standard_normal(len(samples))
    power = np.mean(np.square(samples, dtype=np.float64)) / 10 ** (decibels / 10)
    found: Samples = (samples + np.sqrt(power / np.mean(noise**2)) * noise).astype(np.float32)
    return found


# Each in two directions or strengths.
CHANGES: Mapping[str, Callable[[Samples, int], Samples]] = {
    "pitch -4 semitones": partial(with_pitch, semitones=-4),
    "pitch +4 semitones": partial(with_pitch, semitones=4),
    "tempo 0.8": partial(with_tempo, factor=0.8),
    "tempo 1.2": partial(with_tempo, factor=1.2),
    "noise 15 dB": partial(with_noise, decibels=15),
    "noise 5 dB": partial(with_noise, decibels=5),
}


def unit_edit_distances(codec: Codec, recordings: Mapping[str, Samples], failures: Failures) -> dict[str, float]:
    """Return, for each change of the recordings, the edit distance of their units without repetition, in % of these.

    It is the sum over the recordings per unit, of which the recordings as they are have U: 0 where no unit changes.

    Source: Gat et al., "Augmentation invariant discrete representation for generative spoken language modeling",
    IWSLT 2023.

    Parameters
    ----------
    codec
        Makes the units.
    recordings
        Samples (N,) of each utterance by its id, at the model's rate.
    failures
        Takes the recordings of which a change has no units, because it is too short.

    Raises
    ------
    ConfigError
        The model has no codebook.
    DataError
        No recording can be used.
    """
    distances, count = dict.fromkeys(CHANGES, 0.0), 0
    for utt_id, samples in track(recordings.items(), "changed recordings", len(recordings)):
        with failures.skipping(utt_id):
            own = codec.encode(samples)
            found = {name: codec.encode(change(samples, codec.sample_rate)) for name, change in CHANGES.items()}
            count += len(own.runs()[0])
            for name, units in found.items():
                distances[name] += run_distance(own, units)
    if not count:
        raise DataError("no recording is long enough for another tempo; leave --invariance out")
    return {name: 100 * distance / count for name, distance in distances.items()}


def run_distance(units: Units, others: Units) -> int:
    """Return the edit distance between units without repetition."""
    return int(torchaudio.functional.edit_distance(*(symbols(found.runs()[0]) for found in (units, others))))
