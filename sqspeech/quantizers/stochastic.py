"""Gumbel-softmax samples, and the result of a stochastic quantiser."""

import math

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from sqspeech import distributed
from sqspeech.quantizers.base import Quantized
from sqspeech.quantizers.precision import full_product
from sqspeech.quantizers.statistics import batch_perplexity, mean, sum_over_time


def sample(
    logits: Float[Tensor, "B T K"], temperature: float | Float[Tensor, ""], codebook: Float[Tensor, "K D"]
) -> Float[Tensor, "B T D"]:
    """Return Σ_k y_k b_k with y a Gumbel-softmax sample, which is relaxed and not straight-through.

    Raises
    ------
    ValueError
        The temperature is not positive.
    """
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature {temperature} is not positive")
    # −log(−log u): uniform draws run on all cores, exponential_ on one. A draw of exactly 0 gives probability 0.
    negative_gumbel = distributed.uniform(logits).log_().neg_().log_()
    return full_product(functional.softmax((logits - negative_gumbel) / temperature, dim=-1), codebook)


def stochastic(
    *,
    z: Float[Tensor, "B T D"],
    codes: Int[Tensor, "B T"],
    logits: Float[Tensor, "B T K"],
    energy: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"] | None,
    scale: dict[str, Tensor],
) -> Quantized:
    """Return the result of a stochastic quantiser with posterior softmax(`logits`) and the given energy.

    The loss is energy − H(P) + log K per position: the KL divergence to the uniform prior, not negative.
    `scale` is the statistic of the posterior's width.
    """
    log_posterior = functional.log_softmax(logits, dim=-1)
    entropy = -(log_posterior.exp() * log_posterior).sum(-1)
    kl = sum_over_time(energy - entropy + math.log(logits.shape[-1]), mask)
    statistics = {
        "kl": kl,
        "entropy": mean(entropy.unsqueeze(-1), mask),
        **scale,
        "batch_perplexity": batch_perplexity(codes, logits.shape[-1], mask),
    }
    return Quantized(z=z, codes=codes, loss=kl, statistics=statistics)
