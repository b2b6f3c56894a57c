"""Common parts of the quantisers: their result, masks, sampling."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from sqspeech import distributed
from sqspeech.quantizers.precision import full_product


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The result of quantising a batch of latents.

    Attributes
    ----------
    z
        Quantised latents, shape (B, T, D).
    codes
        Indices of the chosen codewords, shape (B, T), in [0, K); None where there is no codebook.
    loss
        The latent part of the objective.
    statistics
        Scalars to log, over the positions that a mask leaves. Where they make sense: `kl`, mean over the batch
        of the sum over positions in nats; `entropy`, mean of H(P(z_q | z)) in nats; `log_variance`, mean of
        log σ²; `kappa`; `commitment`, mean squared distance; `batch_perplexity`, exp of the entropy of the
        batch's hard code counts, which is bounded by the batch's size and so is not that of a test set.
    """

    z: Float[Tensor, "B T D"]
    codes: Int[Tensor, "B T"] | None
    loss: Float[Tensor, ""]
    statistics: dict[str, Tensor] = field(default_factory=dict)


def keep_real(values: Float[Tensor, "B T C"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B T C"]:
    """Return the values with zeros in the padding, so that nothing there reaches a result or a gradient."""
    return values if mask is None else values.masked_fill(~mask.unsqueeze(-1), 0.0)


def sum_over_time(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, ""]:
    """Return the mean over the batch of the sum over real positions."""
    return (values if mask is None else values * mask).sum(1).mean()


def mean(values: Float[Tensor, "#B #T C"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, ""]:
    """Return the mean over real positions and channels."""
    if mask is None:
        return values.mean()
    per_position = values.mean(-1).expand(mask.shape)
    return (per_position * mask).sum() / mask.sum()


def batch_perplexity(
    codes: Int[Tensor, "B T"], codebook_size: int, mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, ""]:
    """Return exp(−Σ p log p) of the hard counts of a batch of codes."""
    counts = distributed.all_reduce_sum(count(codes, codebook_size, mask))
    perplexity: Tensor = torch.special.entr(counts / counts.sum()).sum().exp()
    return perplexity


def count(codes: Int[Tensor, "B T"], codebook_size: int, mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, " K"]:
    """Return how many real positions chose each codeword."""
    ones = torch.ones(codes.shape, device=codes.device) if mask is None else mask.float()
    return torch.zeros(codebook_size, device=codes.device).index_add_(0, codes.flatten(), ones.flatten())


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
