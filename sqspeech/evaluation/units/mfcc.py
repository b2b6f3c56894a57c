"""MFCC, a baseline for learned units."""

import numpy as np
import torch
import torchaudio.compliance.kaldi
from numpy.typing import NDArray

from sqspeech.errors import DataError

FRAME_LENGTH, FRAME_SHIFT = 0.025, 0.010
# Kaldi's floor on energies is meant for 16-bit samples.
FULL_SCALE = 32768.0


def mfcc(
    samples: NDArray[np.float32], sample_rate: int, *, subtract_mean: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return Kaldi's MFCC, mean-normalised over the utterance so that they do not depend on its level.

    Frames of 25 ms every 10 ms, 23 mel bands, 13 coefficients with c0, no dither, no deltas.

    Parameters
    ----------
    samples
        Shape (N,), mono.
    sample_rate
        In Hz.
    subtract_mean
        False for MFCC that are not mean-normalised.

    Returns
    -------
    features
        Shape (T, 13).
    times
        Shape (T,), the frames' centres in seconds.

    Raises
    ------
    DataError
        The samples are fewer than one frame.
    """
    if len(samples) < round(FRAME_LENGTH * sample_rate):
        raise DataError(f"{len(samples)} samples at {sample_rate} Hz are too short for MFCC; leave the utterance out")
    features: NDArray[np.float32] = torchaudio.compliance.kaldi.mfcc(
        torch.from_numpy(samples)[None] * FULL_SCALE,
        sample_frequency=float(sample_rate),
        frame_length=1000 * FRAME_LENGTH,
        frame_shift=1000 * FRAME_SHIFT,
        dither=0.0,
        subtract_mean=subtract_mean,
    ).numpy()
    times = FRAME_LENGTH / 2 + FRAME_SHIFT * np.arange(len(features), dtype=np.float64)
    return features, times
