"""Von Mises–Fisher stochastic quantisation."""

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.quantizers.base import QUANTIZERS, Quantized
from sqspeech.quantizers.codebook import Codebook
from sqspeech.quantizers.distance import CHUNK
from sqspeech.quantizers.precision import at_least_single, full_precision, full_product
from sqspeech.quantizers.statistics import keep_real
from sqspeech.quantizers.stochastic import sample, stochastic


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class VmfSQConfig:
    """Von Mises–Fisher SQ: K codewords of dimension D on the unit sphere, κ starting at `initial_kappa`."""

    in_nats: ClassVar[bool] = True
    name: Literal["vmf_sq"] = "vmf_sq"
    codebook_size: int = Field(default=512, ge=2)
    codebook_dim: int = Field(default=64, ge=1)
    initial_kappa: float = Field(default=10.0, gt=0)


@QUANTIZERS.register("vmf_sq", config=VmfSQConfig)
class VmfSQ(Codebook):
    """Stochastic quantisation on the unit sphere: P(z_q = b_k | z) = softmax_k(κ z·b_k).

    Latents and codewords are scaled to unit length first; κ is one learned positive scalar.

    Source: Takida et al., "SQ-VAE", ICML 2022 (arXiv 2205.07547), section 5.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        0: the encoder gives nothing beside the latents.
    """

    def __init__(self, config: VmfSQConfig) -> None:
        super().__init__()
        self.config = config
        self.dim, self.codebook_size = config.codebook_dim, config.codebook_size
        self.codebook = nn.Parameter(torch.randn(config.codebook_size, config.codebook_dim))
        self.log_kappa = nn.Parameter(torch.tensor(math.log(config.initial_kappa)))

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch: a Gumbel-softmax sample in training mode, the nearest codeword in eval mode.

        The loss is mean over B of Σ_T κ (1 − z·z_q) − H(P) + log K. The parameters are those of `GaussianSQ`;
        `extra` is not used.
        """
        with full_precision(z.device):
            z, codebook = _unit(keep_real(at_least_single(z), mask)), _unit(at_least_single(self.codebook))
            kappa = at_least_single(self.log_kappa).exp()
            logits = kappa * full_product(z, codebook.T)
            codes = logits.argmax(-1)
            z_q = sample(logits, temperature, codebook) if self.training else functional.embedding(codes, codebook)
            energy = kappa * (1 - (z * z_q).sum(-1))
            return stochastic(z=z_q, codes=codes, logits=logits, energy=energy, mask=mask, scale={"kappa": kappa})

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T"]:
        """Return the most probable codes, in memory that is bounded however long the input is."""
        with full_precision(z.device):
            codebook = _unit(at_least_single(self.codebook))
            parts = torch.split(at_least_single(z).flatten(0, 1), CHUNK)
            return torch.cat([(_unit(part) @ codebook.T).argmax(-1) for part in parts]).reshape(z.shape[:2])

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T K"]:
        """Return ln P(z_q = b_k | z) but for a constant of each position, in double precision."""
        return self.log_kappa.double().exp() * (_unit(z.double()) @ _unit(self.codebook.double()).T)

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the unit codewords of `codes`."""
        return functional.embedding(codes, _unit(self.codebook))


def _unit(vectors: Tensor) -> Tensor:
    # The gradient at a zero vector is one over eps.
    return functional.normalize(vectors, dim=-1, eps=1e-6)
