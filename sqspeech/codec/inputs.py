"""Recordings as a codec takes them: paths, arrays and tensors."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sqspeech import audio
from sqspeech.errors import DataError

type Samples = NDArray[np.float32]
# The path of a recording, or its samples: float, mono, shape (N,) or with leading axes of length 1.
type AnyAudio = Path | str | NDArray[np.floating] | Tensor


def samples_of(given: AnyAudio, sample_rate: int | None, wanted_rate: int) -> Samples:
    """Return samples (N,), float32, at the wanted rate in Hz; those of an array have that rate when None is given.

    Raises
    ------
    DataError
        The file cannot be read, a rate is given for one, or the array is no float samples of one channel.
    """
    if isinstance(given, str | Path):
        if sample_rate is not None:
            raise DataError(f"{given}: a file has a sample rate of its own; leave sample_rate out")
        return audio.read(given, wanted_rate)[0]
    values = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(f"samples of type {values.dtype}; give floating-point samples with full scale [-1, 1]")
    if values.ndim == 0 or values.size != values.shape[-1]:
        raise DataError(f"samples of shape {values.shape}; give one channel of one recording, shape (N,)")
    samples = values.reshape(-1).astype(np.float32, copy=False)
    if sample_rate in (None, wanted_rate):
        return samples
    assert sample_rate is not None
    return audio.resample(samples, sample_rate, wanted_rate)
