"""Level of recordings: measured, and given to what is decoded; in blocks, because recordings may be long."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sqspeech.chunked_log_mel import ChunkedLogMel, blocks
from sqspeech.codec.global_variance import Moments
from sqspeech.codec.units import RecordingStatistics

type Samples = NDArray[np.float32]

# Samples of a block in which a long recording is gone through.
BLOCK = 2**20
PEAK = 0.999
# Of speech whose recording is not known: 26 dB below full scale, the usual level of speech in tests of telephony.
USUAL_POWER = 10**-2.6


def recording_statistics(samples: Samples, recording: ChunkedLogMel, hop_length: int) -> RecordingStatistics:
    """Return the statistics of samples (N,) at the model's rate, whose log-mel is `recording`."""
    moments = Moments()
    for first, last in blocks(max(1, len(samples) // hop_length)):
        moments.add(recording.mel(first, last))
    return RecordingStatistics(n_samples=len(samples), power=power(samples), cepstrum_std=tuple(moments.std.tolist()))


def match_power(samples: Samples, wanted: float) -> None:
    """Scale samples in place to a mean square about their mean, or less where they would clip."""
    own = power(samples)
    if own > 0:
        peak = max(float(np.abs(block).max()) for block in _blocks(samples))
        gain = np.float32(min((wanted / own) ** 0.5, PEAK / peak))
        for block in _blocks(samples):
            block *= gain


def power(samples: Samples) -> float:
    """Return the mean square of samples (N,) about their mean."""
    mean = sum(float(block.sum(dtype=np.float64)) for block in _blocks(samples)) / len(samples)
    return sum(float(np.square(block - mean, dtype=np.float64).sum()) for block in _blocks(samples)) / len(samples)


def _blocks(samples: Samples) -> Iterator[Samples]:
    return (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
