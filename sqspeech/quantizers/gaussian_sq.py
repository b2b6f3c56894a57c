"""Gaussian stochastic quantisation."""

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech import distributed
from sqspeech.graph import DOUBLE, Graph, single
from sqspeech.quantizers.base import QUANTIZERS, Quantized
from sqspeech.quantizers.codebook import Codebook
from sqspeech.quantizers.distance import nearest, weighted_distance
from sqspeech.quantizers.graph import add_nearest
from sqspeech.quantizers.precision import at_least_single, full_precision
from sqspeech.quantizers.reset import drawn_again
from sqspeech.quantizers.statistics import count, keep_real, mean
from sqspeech.quantizers.stochastic import sample, stochastic


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class GaussianSQConfig:
    """Gaussian SQ: K codewords of dimension D, and how σ² is shared between positions and dimensions.

    `variance` is I (one scalar), II (one an utterance), III (one a latent step) or IV (one a latent step and
    dimension). Without `learn_variance`, which is for I only, σ² stays at `initial_variance`.

    `initial_scale` is the standard deviation of the first codewords. With `initial_variance` scaled by its square
    it is only a unit of length, but Adam's steps have a length of their own: in a short training codewords of scale 1
    stay near where they were drawn, and what is random in them is then in the units' code vectors.

    With `reset` the codewords begin as latents of the first batch, and one that was the most probable of no latent in
    `reset_after` training steps is drawn again from a batch: a codeword that is far from all latents has no gradient,
    and in a short training never comes near them.

    With `soft`, conversion decodes the mean of the codewords under the posterior, as training decodes a relaxed sample
    of them, and not the most probable one. Units stay codes.
    """

    in_nats: ClassVar[bool] = True
    name: Literal["gaussian_sq"] = "gaussian_sq"
    codebook_size: int = Field(default=512, ge=2)
    codebook_dim: int = Field(default=64, ge=1)
    variance: Literal["I", "II", "III", "IV"] = "IV"
    learn_variance: bool = True
    initial_variance: float = Field(default=10.0, gt=0)
    initial_scale: float = Field(default=1.0, gt=0)
    reset: bool = False
    reset_after: int = Field(default=100, ge=1)
    soft: bool = False

    @model_validator(mode="after")
    def _check(self) -> "GaussianSQConfig":
        if not self.learn_variance and self.variance != "I":
            raise ValueError(f"learn_variance: false needs variance I, not {self.variance}")
        return self


@QUANTIZERS.register("gaussian_sq", config=GaussianSQConfig)
class GaussianSQ(Codebook):
    """Stochastic quantisation with P(z_q = b_k | z) = softmax_k(−½ Σ_d (z_d − b_kd)² / σ_d²).

    Training draws a Gumbel-softmax sample, so the codebook is a plain parameter that learns by gradient: no
    stop-gradient, no moving average, no commitment weight. Inference takes the most probable codeword.
    The variance is a shape: variants I to IV are a log-variance of shape (1,1,1), (B,1,1), (B,T,1) or (B,T,D)
    that broadcasts through one expression. Everything runs in single precision at least, under autocast too:
    a half-precision or TF32 product is wrong by percents where σ² is small, and would cut the noise's tail.

    Source: Takida et al., "SQ-VAE", ICML 2022 (arXiv 2205.07547), section 4.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        E, how many channels the encoder gives beside the latents: 0 (I), 1 (II, III) or D (IV).
    unused
        Shape (K,), with `reset` only: training steps since a codeword was last the most probable one.
    """

    unused: Tensor

    def __init__(self, config: GaussianSQConfig) -> None:
        super().__init__()
        self.config = config
        self.dim, self.codebook_size, self.soft = config.codebook_dim, config.codebook_size, config.soft
        self.extra_channels = {"I": 0, "II": 1, "III": 1, "IV": config.codebook_dim}[config.variance]
        self.codebook = nn.Parameter(config.initial_scale * torch.randn(config.codebook_size, config.codebook_dim))
        self.log_variance = nn.Parameter(
            torch.tensor(math.log(config.initial_variance)), requires_grad=config.learn_variance
        )
        if config.reset:
            self.register_buffer("unused", torch.full((config.codebook_size,), config.reset_after))

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch: a Gumbel-softmax sample in training mode, the nearest codeword in eval mode.

        The loss is mean over B of Σ_T ½ (z − z_q)²/σ² − H(P) + log K: the KL divergence to the uniform prior.

        Parameters
        ----------
        z
            Latents.
        extra
            The encoder's other channels, added to the learned scalar in log space; None for variance I.
        temperature
            Of the Gumbel-softmax, above 0; unused in eval mode.
        mask
            True at real positions, False in the padding, which then counts nowhere; None is all real.

        Raises
        ------
        ValueError
            `extra` is missing for variance II to IV, or the temperature is not positive.
        """
        with full_precision(z.device):
            z = keep_real(at_least_single(z), mask)
            if self.training and self.config.reset:
                self._reset(z, mask)
            codebook = at_least_single(self.codebook)
            log_variance = self._log_variance(extra, mask)
            weight = torch.exp(-log_variance)
            distance = weighted_distance(z, weight, codebook)
            logits = -0.5 * distance
            if self.training:
                codes, z_q = distance.argmin(-1), sample(logits, temperature, codebook)
                if self.config.reset:
                    counts = distributed.all_reduce_sum(count(codes, self.codebook_size, mask))
                    self.unused.add_(1).masked_fill_(counts > 0, 0)
            else:
                codes = nearest(z, weight, codebook)
                z_q = functional.embedding(codes, codebook)
            energy = 0.5 * (weight * (z - z_q).square()).sum(-1)
            scale = {"log_variance": mean(log_variance, mask)}
            return stochastic(z=z_q, codes=codes, logits=logits, energy=energy, mask=mask, scale=scale)

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T"]:
        """Return the most probable codes, in memory that is bounded however long the input is."""
        with full_precision(z.device):
            weight = torch.exp(-self._log_variance(extra, None))
            return nearest(at_least_single(z), weight, at_least_single(self.codebook))

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T K"]:
        """Return ln P(z_q = b_k | z) but for a constant of each position, in double precision."""
        weight = torch.exp(-self._log_variance(None if extra is None else extra.double(), None).double())
        return -0.5 * weighted_distance(z.double(), weight, self.codebook.double())

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        return functional.embedding(codes, self.codebook)

    def add_choice(self, graph: Graph, latents: str, extra: str | None) -> tuple[str, str]:
        """Append the choice to an ONNX graph; a weight that all dimensions share changes none."""
        weight = None
        if extra and self.config.variance == "IV":
            log_variance = graph.add("Add", extra, single(self.log_variance.detach().cpu()))
            weight = graph.add("Cast", graph.add("Exp", graph.add("Neg", log_variance)), to=DOUBLE)
        return add_nearest(graph, latents, self.codewords(), weight)

    @torch.no_grad()
    def _reset(self, z: Tensor, mask: Tensor | None) -> None:
        real = None if mask is None else distributed.all_gather(mask)
        dead, latents = drawn_again(self.unused, self.config.reset_after, distributed.all_gather(z.detach()), real)
        self.codebook.copy_(torch.where(dead.unsqueeze(-1), latents.to(self.codebook.dtype), self.codebook))
        self.unused.masked_fill_(dead, 0)

    def _log_variance(self, extra: Tensor | None, mask: Tensor | None) -> Float[Tensor, "#B #T V"]:
        scalar = at_least_single(self.log_variance).reshape(1, 1, 1)
        if not self.extra_channels:
            return scalar
        if extra is None:
            raise ValueError(f"variance {self.config.variance} needs {self.extra_channels} extra channels")
        extra = keep_real(at_least_single(extra), mask)
        if self.config.variance == "II":
            frames = extra.shape[1] if mask is None else mask.sum(1).clamp(min=1).reshape(-1, 1, 1)
            extra = extra.sum(1, keepdim=True) / frames
        return scalar + extra
