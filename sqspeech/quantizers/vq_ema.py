"""Vector quantisation with a codebook of moving averages: the baseline."""

from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from sqspeech import distributed
from sqspeech.quantizers.base import QUANTIZERS, Quantized
from sqspeech.quantizers.codebook import Codebook, Estimator, no_posterior
from sqspeech.quantizers.distance import nearest, weighted_distance
from sqspeech.quantizers.gradients import rotate, straight_through
from sqspeech.quantizers.precision import at_least_single, full_precision
from sqspeech.quantizers.reset import drawn_again
from sqspeech.quantizers.statistics import batch_perplexity, count, keep_real, mean

SMOOTHING = 1e-5


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class VqEmaConfig:
    """VQ with EMA: K codewords of dimension D, the averages' `decay`, the `commitment` weight.

    With `reset`, a codeword that no latent chose in `reset_after` training steps is drawn again from a batch.
    With `rotation` the latents' gradient is that of their codewords turned and scaled as they are (see `rotate`), and
    not the same.
    """

    in_nats: ClassVar[bool] = False
    name: Literal["vq_ema"] = "vq_ema"
    codebook_size: int = Field(default=512, ge=2)
    codebook_dim: int = Field(default=64, ge=1)
    decay: float = Field(default=0.999, ge=0, lt=1)
    commitment: float = Field(default=0.25, ge=0)
    reset: bool = False
    reset_after: int = Field(default=100, ge=1)
    rotation: bool = False


@QUANTIZERS.register("vq_ema", config=VqEmaConfig)
class VqEma(Codebook):
    """Nearest codeword, straight-through or rotated gradient, and a codebook that follows the latents' moving average.

    Source: van den Oord et al., "Neural Discrete Representation Learning", arXiv 1711.00937, appendix A.1, with
    Laplace-smoothed counts.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        0: the encoder gives nothing beside the latents.
    codebook, counts, sums
        Shapes (K, D), (K,), (K, D): the codewords, and the averages that they are the quotients of. The counts
        start at 1, so that a codeword keeps its place until it is chosen.
    unused
        Shape (K,): training steps since a codeword was last chosen.
    """

    estimator: Estimator
    codebook: Tensor
    counts: Tensor
    sums: Tensor
    unused: Tensor

    def __init__(self, config: VqEmaConfig) -> None:
        super().__init__()
        self.config, self.estimator = config, rotate if config.rotation else straight_through
        self.dim, self.codebook_size = config.codebook_dim, config.codebook_size
        codebook = torch.empty(config.codebook_size, config.codebook_dim).uniform_(-1, 1) / config.codebook_size
        self.register_buffer("codebook", codebook)
        self.register_buffer("counts", torch.ones(config.codebook_size))
        self.register_buffer("sums", codebook.clone())
        self.register_buffer("unused", torch.zeros(config.codebook_size, dtype=torch.long))

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch, and in training mode move the codebook afterwards.

        The loss is `commitment` times the mean of (z − z_q)² over real positions and dimensions. `extra` and
        `temperature` are not used; `mask` is that of `GaussianSQ`.
        """
        with full_precision(z.device):
            z = keep_real(at_least_single(z), mask)
            codes = self.encode(z)
            z_q = self.lookup(codes)
            commitment = mean((z - z_q).square(), mask)
            if self.training:
                real = None if mask is None else distributed.all_gather(mask)
                self._update(distributed.all_gather(z.detach()), distributed.all_gather(codes), real)
            return Quantized(
                z=self.estimator(z, z_q),
                codes=codes,
                loss=self.config.commitment * commitment,
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
            return nearest(z, z.new_ones(1, 1, 1), self.codebook.to(z.dtype))

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T K"]:
        """Return −Σ_d (z_d − b_kd)², in double precision."""
        return -weighted_distance(z.double(), z.new_ones(1, 1, 1).double(), self.codebook.double())

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """Raise ConfigError: the nearest codeword is chosen, with no probability."""
        raise no_posterior("vq_ema")

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        return functional.embedding(codes, self.codebook)

    @torch.no_grad()
    def _update(self, z: Tensor, codes: Tensor, mask: Tensor | None) -> None:
        decay, counts = self.config.decay, count(codes, self.codebook_size, mask)
        real = z if mask is None else z * mask.unsqueeze(-1)
        sums = torch.zeros_like(self.sums).index_add_(0, codes.flatten(), real.flatten(0, 1).to(self.sums.dtype))
        self.counts.lerp_(counts.to(self.counts.dtype), 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        self.unused.add_(1).masked_fill_(counts > 0, 0)
        if self.config.reset:
            self._reset(z, mask)
        total = self.counts.sum()
        smoothed = (self.counts + SMOOTHING) / (total + self.codebook_size * SMOOTHING) * total
        self.codebook.copy_(self.sums / smoothed.unsqueeze(-1))

    def _reset(self, z: Tensor, mask: Tensor | None) -> None:
        dead, candidates = drawn_again(self.unused, self.config.reset_after, z, mask)
        self.sums.copy_(torch.where(dead.unsqueeze(-1), candidates.to(self.sums.dtype), self.sums))
        self.counts.masked_fill_(dead, 1.0)
        self.unused.masked_fill_(dead, 0)
