"""Common base of the decoders: speakers by index, and the time jitter of training."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sqspeech import distributed


class JitteredDecoder(nn.Module, ABC):
    """Quantised latents and a speaker to log-mel, with latent steps that are jittered in training.

    Parameters
    ----------
    n_speakers
        How many speakers the embedding holds.
    speaker_dim
        S, the dimension of the embedding.
    jitter
        The probability of a replaced step.
    stride
        How many frames a latent step becomes.
    """

    def __init__(self, n_speakers: int, speaker_dim: int, jitter: float, stride: int) -> None:
        super().__init__()
        self.jitter, self.stride = jitter, stride
        self.speakers = nn.Embedding(n_speakers, speaker_dim)

    def forward(self, z: Float[Tensor, "B L D"], speaker: Int[Tensor, " B"]) -> Float[Tensor, "B T M"]:
        """Return T = stride · L frames of log-mel; in training mode the steps are jittered first."""
        if self.training:
            z = time_jitter(z, self.jitter)
        return self.decode(z, self.speakers(speaker))

    @abstractmethod
    def decode(
        self, z: Float[Tensor, "B L D"], embedding: Float[Tensor, "B S"], lengths: Sequence[int] | None = None
    ) -> Float[Tensor, "B T M"]:
        """Return T = stride · L frames of log-mel for speakers that are given by their embeddings.

        `lengths` are the latent steps of each row, none longer than the one before and the first L; a row's output up
        to its length is that of the row alone.
        """


def time_jitter(z: Float[Tensor, "B L D"], probability: float) -> Float[Tensor, "B L D"]:
    """Replace each step by its left or its right neighbour with probability `probability` / 2 each.

    At the ends a neighbour that does not exist is replaced by the step itself.
    Source: Chorowski et al., arXiv 1901.08810, section III-C.
    """
    batch, length, _ = z.shape
    draw = distributed.uniform(torch.empty(batch, length, device=z.device))
    shift = (draw >= 1 - probability / 2).long() - (draw < probability / 2).long()
    index = (torch.arange(length, device=z.device) + shift).clamp(0, length - 1)
    return z.gather(1, index.unsqueeze(-1).expand_as(z))
