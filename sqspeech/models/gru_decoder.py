"""The speaker-conditioned recurrent decoder."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sqspeech.models.base import DECODERS
from sqspeech.models.jittered import JitteredDecoder
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
class GruDecoder(JitteredDecoder):
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
        super().__init__(n_speakers, config.speaker_dim, config.jitter, stride)
        self.gru = nn.GRU(
            codebook_dim + config.speaker_dim,
            config.width,
            num_layers=config.layers,
            batch_first=True,
            bidirectional=True,
        )
        self.projection = nn.Linear(2 * config.width, n_mels)

    def decode(
        self, z: Float[Tensor, "B L D"], embedding: Float[Tensor, "B S"], lengths: Sequence[int] | None = None
    ) -> Float[Tensor, "B T M"]:
        """See `JitteredDecoder`."""
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
