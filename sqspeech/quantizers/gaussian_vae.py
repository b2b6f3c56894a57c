"""A Gaussian latent without a codebook: the VAE baseline."""

from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sqspeech.errors import ConfigError
from sqspeech.graph import Graph
from sqspeech.quantizers.base import QUANTIZERS, Choice, Quantized
from sqspeech.quantizers.precision import at_least_single
from sqspeech.quantizers.statistics import keep_real, mean, sum_over_time


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class GaussianVaeConfig:
    """A VAE's latent: its dimension."""

    in_nats: ClassVar[bool] = True
    name: Literal["gaussian_vae"] = "gaussian_vae"
    latent_dim: int = Field(default=64, ge=1)


def no_units() -> ConfigError:
    """Return the error of whoever wants codes of this one."""
    return ConfigError("the quantizer gaussian_vae has no codebook and so no units; use a model with another quantizer")


@QUANTIZERS.register("gaussian_vae", config=GaussianVaeConfig)
class GaussianVae(nn.Module):
    """The latent of a VAE, q(z) = N(z, exp(extra)) against N(0, I), with the contract of a quantiser.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", arXiv 1312.6114, appendix B.

    Attributes
    ----------
    dim
        D.
    codebook_size
        None: nothing is discrete.
    extra_channels
        D, the log-variances.
    """

    codebook_size = None
    stages = 1
    soft = False

    def __init__(self, config: GaussianVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = self.extra_channels = config.latent_dim

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T D"],
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Return z + σ ε in training mode and z in eval mode; the loss is the KL, mean over B of the sum over T.

        `z` is the mean and `extra` the log-variance; `temperature` is not used; `mask` is that of `GaussianSQ`.
        """
        with torch.autocast(z.device.type, enabled=False):
            z, log_variance = (keep_real(at_least_single(x), mask) for x in (z, extra))
            sampled = z + (0.5 * log_variance).exp() * torch.randn_like(z) if self.training else z
            kl = sum_over_time(0.5 * (z.square() + log_variance.exp() - 1 - log_variance).sum(-1), mask)
            statistics = {"kl": kl, "log_variance": mean(log_variance, mask)}
            return Quantized(z=sampled, codes=None, loss=kl, statistics=statistics)

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T D"] | None = None) -> Int[Tensor, "B T"]:
        """Raise ConfigError."""
        raise no_units()

    def choose(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T D"] | None = None) -> Choice:
        """Raise ConfigError."""
        raise no_units()

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T D"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """Raise ConfigError."""
        raise no_units()

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Raise ConfigError."""
        raise no_units()

    def add_to_graph(self, graph: Graph, encoded: str) -> None:
        """Raise ConfigError."""
        raise no_units()
