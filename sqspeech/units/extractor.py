"""Samples to units, as arrays: a view of the codec."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import Codec, Level, Matrix, UnitInfo, Units, UnitStream
from sqspeech.codec.units import Precision


class UnitExtractor:
    """The units of recordings, of any number and length; threads may share it.

    >>> extractor = UnitExtractor.load("exp/best.ckpt")
    >>> samples, rate = soundfile.read("talk.wav", dtype="float32")
    >>> extractor.extract(samples, rate).codes

    Parameters
    ----------
    trained
        The model.
    precision
        Of the encoder; see `Codec`.

    Attributes
    ----------
    codec
        The model as a codec.
    info
        Timing and origin of the units.

    Raises
    ------
    ConfigError
        The model has no codebook.
    """

    def __init__(self, trained: TrainedModel, precision: Precision = "float32") -> None:
        self.codec = Codec(trained, precision)
        self.info: UnitInfo = self.codec.info

    @classmethod
    def load(
        cls, path: Path | str, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> "UnitExtractor":
        """Load the extractor of a checkpoint; raises CheckpointError, and ConfigError where it has no codebook."""
        return cls(TrainedModel.load(path, device), precision)

    @property
    def trained(self) -> TrainedModel:
        """The model."""
        return self.codec.trained

    @property
    def sample_rate(self) -> int:
        """The model's rate in Hz."""
        return self.codec.sample_rate

    def extract(
        self,
        samples: Float[np.ndarray, " N"],
        sample_rate: int,
        *,
        matrices: Collection[Matrix] = (),
        level: Level | None = None,
    ) -> Units:
        """Return the units of a recording; see `Codec.encode`."""
        return self.codec.encode(samples, sample_rate, matrices=matrices, level=level)

    def level(self, samples: Float[np.ndarray, " N"], sample_rate: int) -> Level:
        """Return what the log-mel of a recording is relative to; see `Codec.level`."""
        return self.codec.level(samples, sample_rate)

    def stream(self, level: Level, sample_rate: int | None = None, *, matrices: Collection[Matrix] = ()) -> UnitStream:
        """Return a stream that takes samples and yields units; see `Codec.stream`."""
        return self.codec.stream(level, sample_rate, matrices=matrices)
