"""The log-mel of a recording of any length, a part at a time."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sqspeech.errors import DataError
from sqspeech.features import LogMel

# Frames that are kept between their two uses (finding the loudest, and being encoded): ten minutes. Those of longer
# recordings are computed twice.
KEPT = 60_000
# Frames that are computed at once.
BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Level:
    """Level that the log-mel of a recording is relative to, and the values for streaming one like it.

    Attributes
    ----------
    peak
        The largest magnitude of the samples.
    loudest
        In dB, of the mel bands of all frames, once the recording is scaled to the peak that the features have.
    mean
        Of each band of the log-mel over its used frames, where an encoder's input is without it; else empty.
    """

    peak: float
    loudest: float
    mean: tuple[float, ...] = ()


class ChunkedLogMel:
    """A recording, or what has arrived of one, and any part of its log-mel.

    Parameters
    ----------
    log_mel
        The features.
    samples
        Shape (N,), mono, at their sample rate.
    level
        The recording's own when None.
    used
        From the number of all frames to that of those which an encoder uses (see `sqspeech.models.geometry`); all if
        None.
    with_mean
        Whether the mean of the bands is wanted.
    origin
        How many frames come before the samples, of a recording that is there in part.
    complete
        Whether it ends with the samples.

    Attributes
    ----------
    level
        See `Level`.
    total
        How many frames, those before the samples included, are known to be the recording's.
    frames
        How many of them an encoder uses, once the recording is complete.

    Raises
    ------
    DataError
        The samples have no features (see `LogMel`), unless a `level` is given; or it has no mean where
        one is wanted.
    """

    def __init__(
        self,
        log_mel: LogMel,
        samples: NDArray[np.float32],
        level: Level | None = None,
        *,
        used: Callable[[int], int] | None = None,
        with_mean: bool = False,
        origin: int = 0,
        complete: bool = True,
    ) -> None:
        self._log_mel, self._samples, self._origin = log_mel, torch.from_numpy(samples), origin
        self._decibels: Tensor | None = None
        self._offset: Tensor | None = None
        # Up to the end, where the edge is padded, or as long as the window has samples.
        known = len(samples) if complete else len(samples) - log_mel.config.win_length // 2
        self.total = origin + 1 + max(-1, known // log_mel.config.hop_length)
        self.frames = used(self.total) if used and complete else self.total
        self.level = level or self._measure(with_mean=with_mean)
        if with_mean and not self.level.mean:
            raise DataError("the level has no mean of the bands, which this model needs; measure it with this model")

    def mel(self, first: int, last: int, log_mel: LogMel | None = None) -> Float[Tensor, "T M"]:
        """Return the log-mel of the frames `first` to `last`, with zeros where the recording has none.

        `log_mel` has the same parameters in another precision.
        """
        begin, end = max(first, 0), min(last, self.total)
        mel = self._mel(begin, end, self.level, log_mel)
        if self._offset is not None:
            mel = mel + self._offset.to(mel)
        return functional.pad(mel, (0, 0, begin - first, last - end))

    def moved(self, bands: Sequence[float]) -> "ChunkedLogMel":
        """Return the same recording with the means of its bands, over its used frames, moved to others, shape (M,)."""
        moved, own = copy(self), self._mean(self.level)
        moved._offset = torch.tensor(bands, dtype=torch.float64) - torch.tensor(own, dtype=torch.float64)
        return moved

    def _mel(self, first: int, last: int, level: Level, log_mel: LogMel | None = None) -> Float[Tensor, "T M"]:
        chosen = log_mel or self._log_mel
        if self._decibels is None or log_mel:
            place = first - self._origin, last - self._origin
            decibels = chosen.decibels(self._samples, torch.tensor(level.peak), *place)
        else:
            decibels = self._decibels[first:last]
        return chosen.normalise(decibels, torch.tensor(level.loudest).to(decibels))

    def _measure(self, *, with_mean: bool) -> Level:
        # First of all, because it refuses what has no features.
        peak = self._log_mel.peak(self._samples)
        computed = (self._log_mel.decibels(self._samples, peak, *block) for block in blocks(self.total))
        if self.total <= KEPT:
            self._decibels = torch.cat(list(computed))
            loudest = self._decibels.max()
        else:
            loudest = torch.stack([block.max() for block in computed]).max()
        level = Level(peak=peak.item(), loudest=loudest.item())
        return replace(level, mean=self._mean(level)) if with_mean else level

    def _mean(self, level: Level) -> tuple[float, ...]:
        # In double precision, so that the blocks do not matter.
        sums = [self._mel(*block, level).double().sum(0) for block in blocks(self.frames)]
        mean: list[float] = (torch.stack(sums).sum(0) / self.frames).tolist()
        return tuple(mean)


def blocks(total: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of frames, `BLOCK` long, that are `total` together."""
    return ((first, min(first + BLOCK, total)) for first in range(0, total, BLOCK))
