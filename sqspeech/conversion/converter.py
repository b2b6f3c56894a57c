"""Samples converted to another speaker: a view of the codec with one vocoder."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import Codec, PitchRule
from sqspeech.vocoders import Vocoder

type Samples = NDArray[np.float32]


class Converter:
    """Recordings converted to other speakers, of any length; threads may share it.

    >>> converter = Converter.load("exp/best.ckpt")
    >>> samples, rate = soundfile.read("talk.wav", dtype="float32")
    >>> converted, rate = converter.convert(samples, rate, to="p226")

    Parameters
    ----------
    trained
        The model.
    vocoder
        By name or ready made; when None the model's own, or WORLD where it has none.

    Attributes
    ----------
    codec
        The model as a codec.
    vocoder
        The vocoder.
    """

    def __init__(self, trained: TrainedModel, vocoder: Vocoder | str | None = None) -> None:
        self.codec = Codec(trained)
        self.vocoder: Vocoder = self.codec.vocoders.for_speech(vocoder)

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: torch.device | str = "cpu",
        vocoder: str | None = None,
        stages: int | None = None,
    ) -> "Converter":
        """Load the converter of a checkpoint, with its first `stages` alone if given.

        Raises
        ------
        CheckpointError
            See `sqspeech.checkpoint.read_checkpoint`.
        ConfigError
            The vocoder is unknown, or the model has fewer stages.
        """
        return cls(TrainedModel.load(path, device, stages), vocoder)

    @property
    def trained(self) -> TrainedModel:
        """The model."""
        return self.codec.trained

    @property
    def sample_rate(self) -> int:
        """The rate of what `convert` returns, in Hz."""
        return self.codec.sample_rate

    def convert(
        self,
        samples: Float[np.ndarray, " N"],
        sample_rate: int,
        *,
        to: str,
        pitch: PitchRule | str = "target",
        source: str | None = None,
        coded: bool = False,
    ) -> tuple[Samples, int]:
        """Return a recording converted to the speaker `to`; see `Codec.convert`."""
        return self.codec.convert(
            samples, sample_rate, to=to, pitch=pitch, source=source, vocoder=self.vocoder, coded=coded
        )

    def copy(self, samples: Float[np.ndarray, " N"]) -> Samples:
        """Return what the vocoder alone makes of samples at the model's rate; see `Codec.copy`."""
        return self.codec.copy(samples, self.vocoder)
