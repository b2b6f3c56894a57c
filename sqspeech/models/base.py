"""Contracts of the encoders and decoders, and their registries."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from sqspeech.models.geometry import Geometry
from sqspeech.registry import Registry


@runtime_checkable
class Windows(Protocol):
    """An encoder in eval mode that computes any span of an utterance's units, as it would on the whole of it."""

    def frames(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of frames that the units `first` to `last` depend on; it may reach beyond the utterance."""

    def __call__(self, windows: Tensor, firsts: Sequence[int], lengths: Sequence[int], count: int) -> Tensor:
        """Return the output (R, count, O) for windows of the frames that `frames` names (R, T, M).

        `firsts` are the first units of each, `lengths` the used frames of the utterances that they are from.
        """


@runtime_checkable
class Encoder(Protocol):
    """A module from log-mel (B, T, M) to L = `geometry.units(T)` latent steps (B, L, O).

    It is made of its configuration, M and O; the configuration has a `name` and `normalize`.

    Attributes
    ----------
    geometry
        Of its units.
    normalize
        Whether it subtracts each band's mean over the utterance first.
    """

    geometry: Geometry
    normalize: bool

    def __init__(self, config: Any, n_mels: int, output_dim: int) -> None: ...

    def __call__(self, mel: Tensor, mean: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Return the latent steps of T used frames.

        `mean` (B, 1, M) is of the utterances that the frames are from, by default theirs; `lengths` (B,) are the used
        frames of each row, T when None, and a row's output up to its length is that of the row alone.
        """

    def windows(self, dtype: torch.dtype) -> Windows:
        """Return what computes spans of units, in a precision."""

    def add_to_graph(self, graph: Any, mel: str) -> str:
        """Append the encoder in eval mode to an ONNX graph, (M, T) used frames to (L, O); return its output."""


@runtime_checkable
class Decoder(Protocol):
    """A module from quantised latents (B, L, D) and speakers to log-mel (B, L · stride, M).

    It is made of its configuration, D, M, the number of speakers, and the stride.
    """

    speakers: nn.Embedding

    def __init__(self, config: Any, codebook_dim: int, n_mels: int, n_speakers: int, stride: int) -> None: ...

    def __call__(self, z: Tensor, speaker: Tensor) -> Tensor:
        """Return the log-mel for the speakers of these indices (B,)."""

    def decode(self, z: Tensor, embedding: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """Return the log-mel for speakers that are given by their embeddings (B, S).

        `lengths` are the latent steps of each row, none longer than the one before and the first L; a row's output up
        to its length is that of the row alone.
        """


ENCODERS: Registry[Encoder] = Registry("encoder", "sqspeech.models")
DECODERS: Registry[Decoder] = Registry("decoder", "sqspeech.models")
