"""The speaker-conditioned convolutional decoder."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.models.base import DECODERS
from sqspeech.models.batch_norm import BatchNorm
from sqspeech.models.jittered import JitteredDecoder


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ConvDecoderConfig:
    """Sizes of the decoder: `layers` residual blocks of `width` channels whose convolutions span `kernel_size` steps.

    `jitter` is the probability of a replaced step (see `time_jitter`). A frame depends on `layers` · (`kernel_size` −
    1) / 2 + 1 steps at each side, and so a crop of as many steps has all that a whole utterance has.
    """

    name: Literal["conv"] = "conv"
    width: int = Field(default=256, ge=1)
    layers: int = Field(default=4, ge=1)
    kernel_size: Literal[3, 5, 7, 9] = 5
    speaker_dim: int = Field(default=64, ge=1)
    jitter: float = Field(default=0.25, ge=0, le=1)


@DECODERS.register("conv", config=ConvDecoderConfig)
class ConvDecoder(JitteredDecoder):
    """Quantised latents and a speaker to log-mel: residual convolutions at the rate of the units, then a projection.

    Each block is normalised with a scale and an offset that the speaker gives (adaptive normalisation; Perez et al.,
    "FiLM", arXiv 1709.07871), so that the speaker reaches every layer. All work is done once a unit and not once a
    frame, in few large products.

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

    def __init__(self, config: ConvDecoderConfig, codebook_dim: int, n_mels: int, n_speakers: int, stride: int) -> None:
        super().__init__(n_speakers, config.speaker_dim, config.jitter, stride)
        self.first = nn.Conv1d(codebook_dim, config.width, kernel_size=3, padding=1)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.projection = nn.Linear(config.width, stride * n_mels)

    def decode(
        self, z: Float[Tensor, "B L D"], embedding: Float[Tensor, "B S"], lengths: Sequence[int] | None = None
    ) -> Float[Tensor, "B T M"]:
        """See `JitteredDecoder`; the lengths may be in any order."""
        real = None
        if lengths is not None:
            ends = torch.tensor(lengths, device=z.device)
            real = (torch.arange(z.shape[1], device=z.device) < ends[:, None]).unsqueeze(1)
        hidden = self.first(_within(z.mT, real))
        for block in self.blocks:
            hidden = block(hidden, embedding, real)
        mel: Tensor = self.projection(hidden.mT).unflatten(2, (self.stride, -1)).flatten(1, 2)
        return mel


class _Block(nn.Module):
    """Residual block: adaptive normalisation, a convolution, GELU, a product."""

    def __init__(self, config: ConvDecoderConfig) -> None:
        super().__init__()
        width, size = config.width, config.kernel_size
        self.norm = BatchNorm(width)
        self.speaker = nn.Linear(config.speaker_dim, 2 * width)
        self.mix = nn.Conv1d(width, width, size, padding=size // 2)
        self.out = nn.Conv1d(width, width, 1)
        # All speakers alike at first.
        nn.init.zeros_(self.speaker.weight)
        nn.init.zeros_(self.speaker.bias)

    def forward(self, hidden: Tensor, embedding: Tensor, real: Tensor | None) -> Tensor:
        scale, offset = self.speaker(embedding).unsqueeze(2).chunk(2, 1)
        normal = self.norm(hidden) * (1 + scale) + offset
        update: Tensor = self.out(functional.gelu(self.mix(_within(normal, real))))
        return hidden + update


def _within(values: Float[Tensor, "B C L"], real: Tensor | None) -> Float[Tensor, "B C L"]:
    """Return values with zeros behind the end of each row, as the convolutions' own padding has them."""
    return values if real is None else values * real
