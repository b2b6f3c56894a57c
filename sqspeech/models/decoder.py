"""The speaker-conditioned recurrent decoder, and the time jitter before it."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sqspeech import distributed
from sqspeech.models.base import DECODERS
from sqspeech.quantizers.precision import at_least_single


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class DecoderConfig:
    """Sizes of the decoder; `width` is per direction of the GRU, `jitter` the probability of a replaced step.

    On a GPU a `width` of 128 is the largest whose backward pass runs in cuDNN's kernel for small states, which keeps
    them on the chip; forward it is 192.
    """

    name: Literal["gru"] = "gru"
    width: int = Field(default=128, ge=1)
    layers: int = Field(default=2, ge=1)
    speaker_dim: int = Field(default=64, ge=1)
    jitter: float = Field(default=0.5, ge=0, le=1)


@DECODERS.register("gru", config=DecoderConfig)
class GruDecoder(nn.Module):
    """Quantised latents and a speaker to log-mel: repetition, a bidirectional GRU, a projection.

    Parameters
    ----------
    config
        The sizes.
    codebook_dim
        D, the dimension of the latents.
    n_mels
        M, the bands of the output.
    n_speakers
        How many speakers the embedding holds.
    stride
        How many frames a latent step becomes.
    """

    def __init__(self, config: DecoderConfig, codebook_dim: int, n_mels: int, n_speakers: int, stride: int) -> None:
        super().__init__()
        self.jitter, self.stride = config.jitter, stride
        self.speakers = nn.Embedding(n_speakers, config.speaker_dim)
        self.gru = nn.GRU(
            codebook_dim + config.speaker_dim,
            config.width,
            num_layers=config.layers,
            batch_first=True,
            bidirectional=True,
        )
        self.projection = nn.Linear(2 * config.width, n_mels)

    def forward(self, z: Float[Tensor, "B L D"], speaker: Int[Tensor, " B"]) -> Float[Tensor, "B T M"]:
        """Return T = stride · L frames of log-mel; in training mode the steps are jittered first."""
        if self.training:
            z = time_jitter(z, self.jitter)
        return self.decode(z, self.speakers(speaker))

    def decode(
        self, z: Float[Tensor, "B L D"], embedding: Float[Tensor, "B S"], lengths: Sequence[int] | None = None
    ) -> Float[Tensor, "B T M"]:
        """Return T = stride · L frames of log-mel for speakers that are given by their embeddings.

        `lengths` are the latent steps of each row, none longer than the one before and the first L; a row's output up
        to its length is that of the row alone.
        """
        frames = z.repeat_interleave(self.stride, dim=1)
        speakers = embedding.unsqueeze(1).expand(-1, frames.shape[1], -1)
        mel: Tensor = self.projection(self._recur(torch.cat([frames, speakers], dim=-1), lengths))
        return mel

    def _recur(self, inputs: Tensor, lengths: Sequence[int] | None) -> Tensor:
        # Autocast would give cuDNN float16, whatever its own type is: gradients below 6e-8 would be lost.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = at_least_single(inputs)
            if lengths is None:
                hidden: Tensor = self.gru(inputs)[0]
                return hidden
            frames = torch.tensor([self.stride * length for length in lengths])
            packed = pack_padded_sequence(inputs, frames, batch_first=True)
            return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]


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
