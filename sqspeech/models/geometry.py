"""Frames, units and samples: how many frames a unit describes, and where it lies in time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Relation of an encoder's units to the frames that it is given.

    Unit i describes the frames `left` + i · `stride` to `left` + (i + 1) · `stride`, the last one excluded. T frames
    give L = (T − `left` − `right`) // `stride` units; what is over at the end is not used. Frame t is centred on sample
    t · hop_length.

    Attributes
    ----------
    stride
        Frames of a unit.
    left, right
        Frames that are needed before the first and after the last frame described.
    """

    stride: int
    left: int
    right: int

    @property
    def shortest(self) -> int:
        """Return the number of frames that one unit needs."""
        return self.left + self.stride + self.right

    def units[N: (int, Tensor)](self, frames: N) -> N:
        """Return the number of units of so many frames; not positive where there are too few for one."""
        return (frames - self.left - self.right) // self.stride

    def used[N: (int, Tensor)](self, frames: N) -> N:
        """Return how many of the frames have an influence on units, of `shortest` frames or more."""
        return self.left + self.stride * self.units(frames) + self.right

    def frames(self, units: int) -> int:
        """Return the least number of frames that have so many units."""
        return self.left + self.stride * units + self.right

    def check(self, frames: int) -> int:
        """Return the number of units of so many frames.

        Raises
        ------
        DataError
            There are too few for one.
        """
        if frames < self.shortest:
            raise DataError(
                f"{frames} frames are too short for one unit; at least {self.shortest} are needed, leave the recording "
                "out"
            )
        return self.units(frames)

    def target(self, mel: Float[Tensor, "B T M"]) -> Float[Tensor, "B F M"]:
        """Return the frames that the units of a log-mel describe, F = L · `stride`."""
        return mel[:, self.left : self.left + self.stride * self.units(mel.shape[1])]

    def frame_rate(self, features: LogMelConfig) -> float:
        """Return the units a second."""
        return features.sample_rate / (self.stride * features.hop_length)

    def offset(self, features: LogMelConfig) -> float:
        """Return the beginning of the first unit in seconds: half a hop before the centre of its first frame."""
        return (self.left - 0.5) * features.hop_length / features.sample_rate

    def min_samples(self, features: LogMelConfig) -> int:
        """Return the number of samples that one unit needs, and a centred frame with it."""
        return max(features.n_fft // 2 + 1, (self.shortest - 1) * features.hop_length)


def centres(frame_rate: float, offset: float, count: int) -> NDArray[np.float64]:
    """Return the centres in seconds of the first `count` units."""
    return offset + (np.arange(count, dtype=np.float64) + 0.5) / frame_rate
