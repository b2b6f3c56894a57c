"""SimVQ: vector quantisation whose codewords move together."""

from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.quantizers.base import QUANTIZERS, Quantized
from sqspeech.quantizers.codebook import Codebook, no_posterior
from sqspeech.quantizers.distance import nearest, weighted_distance
from sqspeech.quantizers.gradients import straight_through
from sqspeech.quantizers.precision import at_least_single, full_precision, full_product
from sqspeech.quantizers.statistics import batch_perplexity, keep_real, mean


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SimVQConfig:
    """SimVQ: K codewords of dimension D, and the `commitment` weight, which pulls the latents to the codewords."""

    in_nats: ClassVar[bool] = False
    name: Literal["sim_vq"] = "sim_vq"
    codebook_size: int = Field(default=512, ge=2)
    codebook_dim: int = Field(default=64, ge=1)
    commitment: float = Field(default=0.25, ge=0)


@QUANTIZERS.register("sim_vq", config=SimVQConfig)
class SimVQ(Codebook):
    """Nearest codeword, straight-through gradient; the codewords are C W, of a fixed random C and a learned W.

    A step in W moves all codewords, those too that no latent chose, so that none is left behind.

    Source: Zhu et al., "Addressing representation collapse in vector quantized models with one linear layer",
    arXiv 2411.02038, section 4.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        0: the encoder gives nothing beside the latents.
    frozen, weight
        C, shape (K, D), drawn from N(0, 1/D), and W, shape (D, D).
    """

    frozen: Tensor

    def __init__(self, config: SimVQConfig) -> None:
        super().__init__()
        self.config, self.estimator = config, straight_through
        self.dim, self.codebook_size = config.codebook_dim, config.codebook_size
        self.register_buffer("frozen", torch.randn(self.codebook_size, self.dim) * self.dim**-0.5)
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(self.dim, self.dim), a=5**0.5))

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch, in training and in eval mode alike.

        The loss is the mean of (sg(z) − z_q)² over real positions and dimensions, and `commitment` times that of
        (z − sg(z_q))², where sg stops the gradient. `extra` and `temperature` are not used; `mask` is that of
        `Quantizer`.
        """
        with full_precision(z.device):
            z, codebook = keep_real(at_least_single(z), mask), self._codebook()
            codes = nearest(z.detach(), z.new_ones(1, 1, 1), codebook.detach())
            z_q = functional.embedding(codes, codebook)
            commitment = mean((z - z_q.detach()).square(), mask)
            return Quantized(
                z=straight_through(z, z_q),
                codes=codes,
                loss=mean((z.detach() - z_q).square(), mask) + self.config.commitment * commitment,
                statistics={
                    "commitment": commitment,
                    "batch_perplexity": batch_perplexity(codes, self.codebook_size, mask),
                },
            )

    @torch.no_grad()
    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T"]:
        """Return the nearest codes, in memory that is bounded however long the input is."""
        with full_precision(z.device):
            z = at_least_single(z)
            return nearest(z, z.new_ones(1, 1, 1), self._codebook())

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T K"]:
        """Return −Σ_d (z_d − b_kd)², in double precision."""
        return -weighted_distance(z.double(), z.new_ones(1, 1, 1).double(), self._codebook().double())

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """Raise ConfigError: the nearest codeword is chosen, with no probability."""
        raise no_posterior("sim_vq")

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        return functional.embedding(codes, self._codebook())

    def _codebook(self) -> Float[Tensor, "K D"]:
        return full_product(at_least_single(self.frozen)[None], at_least_single(self.weight))[0]
