"""The log-mel of a recording, a part at a time."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sqspeech.features import LogMel

# Frames that are kept between their two uses (finding the loudest, and being encoded): ten minutes. Those of longer
# recordings are computed twice.
KEPT = 60_000
# Frames that are computed at once.
BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class Level:
    """What the log-mel of a recording is relative to, and what it takes to stream one like it.

    Attributes
    ----------
    peak
        The largest magnitude of the samples.
    loudest
        In dB, of the mel bands of all frames, once the recording is scaled to the peak that the features have.
    """

    peak: float
    loudest: float


class Recording:
    """A recording, or what has arrived of one, as the encoder sees it.

    Parameters
    ----------
    log_mel
        The features.
    samples
        Shape (N,), mono, at their sample rate.
    level
        The recording's own when None.
    origin
        How many frames come before the samples, of a recording that is there in part.
    complete
        Whether it ends with the samples.

    Attributes
    ----------
    level
        See `Level`.
    frames
        How many frames, those before the samples included, are known to be the recording's; an even number once
        it is complete, for the encoder sees no more.

    Raises
    ------
    DataError
        The samples have no features (see `LogMel`), where `level` does not say that they have.
    """

    def __init__(
        self,
        log_mel: LogMel,
        samples: NDArray[np.float32],
        level: Level | None = None,
        *,
        origin: int = 0,
        complete: bool = True,
    ) -> None:
        self._log_mel, self._samples, self._origin = log_mel, torch.from_numpy(samples), origin
        self._decibels: Tensor | None = None
        self.level = level or self._measure()
        config = log_mel.config
        self.frames = (
            (origin + 1 + len(samples) // config.hop_length) // 2 * 2
            if complete
            else origin + 1 + max(-1, (len(samples) - config.win_length // 2) // config.hop_length)
        )

    def mel(self, first: int, last: int, log_mel: LogMel | None = None) -> Float[Tensor, "T M"]:
        """Return the log-mel of the frames `first` to `last`, with zeros where the recording has none.

        `log_mel` has the same parameters in another precision.
        """
        begin, end = max(first, 0), min(last, self.frames)
        chosen = log_mel or self._log_mel
        if self._decibels is None or log_mel:
            decibels = chosen.decibels(
                self._samples, torch.tensor(self.level.peak), begin - self._origin, end - self._origin
            )
        else:
            decibels = self._decibels[begin:end]
        mel = chosen.normalise(decibels, torch.tensor(self.level.loudest).to(decibels))
        padded: Tensor = functional.pad(mel, (0, 0, begin - first, last - end))
        return padded

    def _measure(self) -> Level:
        # First of all, because it refuses what has no features.
        peak = self._log_mel.peak(self._samples)
        total = 1 + len(self._samples) // self._log_mel.config.hop_length
        blocks = (
            self._log_mel.decibels(self._samples, peak, first, min(first + BLOCK, total))
            for first in range(0, total, BLOCK)
        )
        if total <= KEPT:
            self._decibels = torch.cat(list(blocks))
            loudest = self._decibels.max()
        else:
            loudest = torch.stack([block.max() for block in blocks]).max()
        return Level(peak=peak.item(), loudest=loudest.item())
