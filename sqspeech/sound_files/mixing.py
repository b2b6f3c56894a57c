"""One channel of several: their mean, or the loudest one where they cancel each other in it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech.sound_files.decoder import Decoder

# Unrelated channels leave 1/C of their mean power in the mean of C; those that leave less than this share of that
# cancel each other. Of two, the mean then has less than a tenth of their power (a correlation below -0.8).
CANCELLED = 0.2
# Of longer recordings so many stretches of so many samples decide, evenly spread.
STRETCHES, STRETCH = 32, 1 << 15
# The choices for so many files are kept.
KEPT = 1 << 14
_chosen: dict[tuple[Path, int, int], int | None] = {}


def stretches(n_samples: int) -> list[tuple[int, int]]:
    """Return the parts of a recording that decide, first and last sample: all of one that is not long."""
    if n_samples <= STRETCHES * STRETCH:
        return [(0, n_samples)]
    starts = np.linspace(0, n_samples - STRETCH, STRETCHES).astype(int).tolist()
    return [(start, start + STRETCH) for start in starts]


def loudest_if_cancelling(blocks: Sequence[NDArray[np.float32]]) -> int | None:
    """Return the channel of the most power where the channels (N, C) of all blocks cancel in their mean, else None."""
    samples = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    count, channels = samples.shape
    with np.errstate(all="ignore"):
        means = samples.mean(axis=0, dtype=np.float64)
        covariance = (samples.T @ samples) / count - np.outer(means, means)
        of_mean, each = covariance.sum() / channels**2, covariance.diagonal()
        cancel = of_mean < CANCELLED / channels * each.mean()
        # Of equally loud ones the first, whatever the rounding.
        return int(np.argmax(each > 0.99 * each.max())) if cancel else None


def chosen(decoder: Decoder, samples: NDArray[np.float32] | None = None) -> int | None:
    """Return the channel to take of a recording alone, or None for the mean of all.

    It is the same for the recording and for its parts. `samples` (N, C) are all of the recording, where they are at
    hand; otherwise it is decoded where that decides.
    """
    if decoder.channels == 1:
        return None
    if decoder.key not in _chosen:
        blocks = _decoded(decoder) if samples is None else [samples[a:b] for a, b in stretches(len(samples))]
        if len(_chosen) >= KEPT:
            _chosen.clear()
        _chosen[decoder.key] = loudest_if_cancelling(blocks)
    return _chosen[decoder.key]


def mixed(samples: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """Return the channel of samples (N, C), or the mean of all, shape (N,)."""
    if samples.shape[1] == 1 or channel is not None:
        return np.ascontiguousarray(samples[:, channel or 0])
    with np.errstate(all="ignore"):  # of samples that are no numbers, which are refused afterwards
        mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mean


def _decoded(decoder: Decoder) -> list[NDArray[np.float32]]:
    blocks = list[NDArray[np.float32]]()
    with Decoder(decoder.path) as other:
        for first, last in stretches(decoder.n_samples):
            other.seek(first)
            blocks.append(other.read(last - first))
    return blocks
