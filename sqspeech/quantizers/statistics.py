"""Masked sums, means and code counts of a batch."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sqspeech import distributed


def keep_real(values: Float[Tensor, "B T C"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B T C"]:
    """Return the values with zeros in the padding, so that nothing there reaches a result or a gradient."""
    return values if mask is None else values.masked_fill(~mask.unsqueeze(-1), 0.0)


def sum_over_time(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, ""]:
    """Return the mean over the batch of the sum over real positions."""
    return (values if mask is None else values * mask).sum(1).mean()


def mean(values: Float[Tensor, "#B #T C"], mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, ""]:
    """Return the mean over real positions and channels; 0 where there are none."""
    if mask is None:
        return values.mean()
    per_position = values.mean(-1).expand(mask.shape)
    # Over all processes, whose parts of a batch may have different numbers of them.
    total = distributed.all_reduce_sum((per_position * mask).sum())
    return total / distributed.all_reduce_sum(mask.sum()).clamp(min=1)


def batch_perplexity(
    codes: Int[Tensor, "B T"], codebook_size: int, mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, ""]:
    """Return exp(−Σ p log p) of the hard counts of a batch of codes; 1 where all is padding."""
    counts = distributed.all_reduce_sum(count(codes, codebook_size, mask))
    perplexity: Tensor = torch.special.entr(counts / counts.sum().clamp(min=1)).sum().exp()
    return perplexity


def count(codes: Int[Tensor, "B T"], codebook_size: int, mask: Bool[Tensor, "B T"] | None) -> Float[Tensor, " K"]:
    """Return how many real positions chose each codeword."""
    ones = torch.ones(codes.shape, device=codes.device) if mask is None else mask.float()
    return torch.zeros(codebook_size, device=codes.device).index_add_(0, codes.flatten(), ones.flatten())
