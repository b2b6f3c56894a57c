"""Gaussian stochastic quantisation."""

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.quantizers.base import Quantized, batch_perplexity

INITIAL_LOG_VARIANCE = math.log(10)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class GaussianSQConfig:
    """Gaussian SQ: K codewords of dimension D, and how σ² is shared between positions and dimensions.

    `variance` is I (one learned scalar), II (one an utterance), III (one a latent step) or IV (one a latent
    step and dimension).
    """

    name: Literal["gaussian_sq"] = "gaussian_sq"
    codebook_size: int = Field(default=512, ge=2)
    codebook_dim: int = Field(default=64, ge=1)
    variance: Literal["I", "II", "III", "IV"] = "IV"


class GaussianSQ(nn.Module):
    """Stochastic quantisation with P(z_q = b_k | z) = softmax_k(−½ Σ_d (z_d − b_kd)² / σ_d²).

    Training draws a Gumbel-softmax sample, so the codebook is a plain parameter that learns by gradient: no
    stop-gradient, no moving average, no commitment weight. Inference takes the most probable codeword.
    The variance is a shape: variants I to IV are a log-variance of shape (1,1,1), (B,1,1), (B,T,1) or (B,T,D)
    that broadcasts through one expression.

    Source: Takida et al., "SQ-VAE", ICML 2022 (arXiv 2205.07547), section 4.

    Attributes
    ----------
    variance_channels
        How many channels the encoder must give beside the D of the latent: 0 (I), 1 (II, III) or D (IV).
    """

    def __init__(self, config: GaussianSQConfig) -> None:
        super().__init__()
        self.config = config
        self.variance_channels = {"I": 0, "II": 1, "III": 1, "IV": config.codebook_dim}[config.variance]
        self.codebook = nn.Parameter(torch.randn(config.codebook_size, config.codebook_dim))
        self.log_variance = nn.Parameter(torch.tensor(INITIAL_LOG_VARIANCE))

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        variance_logits: Float[Tensor, "B T V"],
        temperature: float | Float[Tensor, ""] = 1.0,
    ) -> Quantized:
        """Quantise a batch: a Gumbel-softmax sample in training mode, the nearest codeword in eval mode.

        The loss is the KL divergence to the uniform prior, which is not negative:
        mean over B of Σ_T ½ (z − z_q)²/σ² − H(P) + log K.

        Parameters
        ----------
        z
            Latents.
        variance_logits
            The encoder's other V = `variance_channels` channels, added to the learned scalar in log space.
        temperature
            Of the Gumbel-softmax, above 0; unused in eval mode.
        """
        # A half-precision or TF32 product is wrong by percents where σ² is small, and cuts the noise's tail.
        with torch.autocast(z.device.type, enabled=False):
            z, log_variance = z.float(), self._shared_log_variance(variance_logits.float())
            logits = -0.5 * weighted_distance(z, torch.exp(-log_variance), self.codebook)
            log_posterior = functional.log_softmax(logits, dim=-1)
            entropy = -(log_posterior.exp() * log_posterior).sum(-1)
            codes = logits.argmax(-1)
            z_q = self._sample(logits, temperature) if self.training else self.lookup(codes)
            error = 0.5 * ((z - z_q).square() * torch.exp(-log_variance)).sum(-1)
            kl = error - entropy + math.log(self.config.codebook_size)
        return Quantized(
            z=z_q,
            codes=codes,
            loss=kl.sum(-1).mean(),
            entropy=entropy.mean(),
            log_variance=log_variance.mean(),
            batch_perplexity=batch_perplexity(codes, self.config.codebook_size),
        )

    def encode(self, z: Float[Tensor, "B T D"], variance_logits: Float[Tensor, "B T V"]) -> Int[Tensor, "B T"]:
        """Return the most probable codes."""
        with torch.autocast(z.device.type, enabled=False):
            log_variance = self._shared_log_variance(variance_logits.float())
            return weighted_distance(z.float(), torch.exp(-log_variance), self.codebook).argmin(-1)

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        return functional.embedding(codes, self.codebook)

    def _shared_log_variance(self, variance_logits: Tensor) -> Tensor:
        match self.config.variance:
            case "I":
                return self.log_variance.reshape(1, 1, 1)
            case "II":
                return self.log_variance + variance_logits.mean(1, keepdim=True)
            case "III" | "IV":
                return self.log_variance + variance_logits

    def _sample(self, logits: Tensor, temperature: float | Tensor) -> Tensor:
        gumbel = -torch.empty_like(logits).exponential_().log()
        return functional.softmax((logits + gumbel) / temperature, dim=-1) @ self.codebook


def weighted_distance(
    z: Float[Tensor, "B T D"], weight: Float[Tensor, "#B #T #D"], codebook: Float[Tensor, "K D"]
) -> Float[Tensor, "B T K"]:
    """Return Σ_d w_d (z_d − b_kd)² for every position and codeword, without a (B, T, K, D) tensor.

    Expanded as Σ w z² − 2 (w∘z) Bᵀ + w (B∘B)ᵀ, two matrix products. The expansion subtracts large numbers
    where the weights are large, so both sides are first moved by the codebook's mean, which changes no
    distance and shortens the vectors.
    """
    centre = codebook.detach().mean(0)
    z, codebook = z - centre, codebook - centre
    weight = weight.expand_as(z)
    weighted = weight * z
    cross = torch.matmul(weighted, codebook.T)
    return (weighted * z).sum(-1, keepdim=True) - 2 * cross + torch.matmul(weight, codebook.square().T)
