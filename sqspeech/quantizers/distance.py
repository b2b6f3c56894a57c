"""Weighted distances to all codewords in one matrix product, and the nearest codeword."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sqspeech.quantizers.precision import full_precision

# Positions at a time when only the nearest codeword is wanted: 16 MiB of distances at K = 512.
CHUNK = 4096


def weighted_distance(
    z: Float[Tensor, "B T D"], weight: Float[Tensor, "#B #T V"], codebook: Float[Tensor, "K D"]
) -> Float[Tensor, "B T K"]:
    """Return Σ_d w_d (z_d − b_kd)² for every position and codeword, without a (B, T, K, D) tensor.

    It is expanded as Σ w z² − 2 (w∘z) Bᵀ + w (B∘B)ᵀ, where the last two terms are one matrix product of
    [−2 w∘z, w] with [B, B∘B]. Weights that all dimensions share (V = 1) need the codewords' squared norms only.

    The expansion subtracts large numbers where the weights are large, so both sides are first moved by the
    codebook's mean, which changes no distance and shortens the vectors. The products run in IEEE single
    precision, forward and backward: TF32 would be wrong by percents at σ² = e⁻⁴.

    Parameters
    ----------
    z
        Latents.
    weight
        1/σ², not negative; V is D, or 1 for a weight that all dimensions share.
    codebook
        The codewords.
    """
    centre = codebook.detach().mean(0)
    weight = weight.expand(*z.shape[:2], -1)
    distance: Tensor = _WeightedDistance.apply(z - centre, weight, codebook - centre)  # type: ignore[no-untyped-call]
    return distance


class _WeightedDistance(torch.autograd.Function):
    """The expansion with its gradient written out: autograd would leave the precision of the products to
    whatever is set when it runs backward, and keep more intermediate tensors.
    """  # noqa: D205

    @staticmethod
    def forward(ctx: Any, z: Tensor, weight: Tensor, codebook: Tensor) -> Tensor:
        weighted = weight * z
        squares = _shared(codebook.square(), weight)
        own = (weighted * z).sum(-1, keepdim=True)
        with full_precision(z.device):
            product = torch.cat([-2 * weighted, weight], -1) @ torch.cat([codebook, squares], -1).T
        ctx.save_for_backward(z, weight, codebook, weighted, squares)
        return product.add_(own)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, weight, codebook, weighted, squares = ctx.saved_tensors
        dim = z.shape[-1]
        with full_precision(z.device):
            over_codes = gradient @ torch.cat([codebook, squares], -1)
            flat = gradient.flatten(0, 1).T
            over_positions = flat @ torch.cat([weighted, weight], -1).flatten(0, 1)
        total = gradient.sum(-1, keepdim=True)
        to_codewords, to_squares = over_codes.tensor_split([dim], -1)
        from_latents, from_weights = over_positions.tensor_split([dim], -1)
        difference = total * z - to_codewords  # Σ_k g_k (z − b_k)
        grad_weight = _shared(z * (difference - to_codewords), weight) + to_squares
        return 2 * weight * difference, grad_weight, 2 * (codebook * from_weights - from_latents)


def _shared(values: Tensor, weight: Tensor) -> Tensor:
    """Sum over the dimensions where they share one weight."""
    return values.sum(-1, keepdim=True) if weight.shape[-1] == 1 else values


def nearest(
    z: Float[Tensor, "B T D"], weight: Float[Tensor, "#B #T V"], codebook: Float[Tensor, "K D"]
) -> Int[Tensor, "B T"]:
    """Return the codeword of least weighted distance for every position, in memory that does not grow with T · K.

    In double precision, which no choice of a code may depend on: where σ² is small and codewords lie close
    together, the expansion's rounding in single precision exceeds the gaps between them. Beside an encoder its
    cost does not show.
    """
    flat, weights = z.flatten(0, 1).double()[:, None], weight.double().expand(*z.shape[:2], -1).flatten(0, 1)[:, None]
    chunks = [
        weighted_distance(part, part_weight, codebook.double()).argmin(-1)
        for part, part_weight in zip(torch.split(flat, CHUNK), torch.split(weights, CHUNK), strict=True)
    ]
    return torch.cat(chunks).reshape(z.shape[:2])
