"""What every quantiser gives back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The result of quantising a batch of latents.

    Attributes
    ----------
    z
        Quantised latents, shape (B, T, D).
    codes
        Indices of the most probable codewords, shape (B, T), in [0, K).
    loss
        The latent part of the objective in nats: mean over the batch of the sum over positions.
    entropy
        Mean over positions of the entropy of P(z_q | z) in nats, in [0, log K].
    log_variance
        Mean of log σ² over positions and dimensions.
    batch_perplexity
        exp of the entropy of the batch's hard code counts, in [1, K]. It is bounded by the batch's size, so it
        is not the perplexity of the codebook over a test set.
    """

    z: Float[Tensor, "B T D"]
    codes: Int[Tensor, "B T"]
    loss: Float[Tensor, ""]
    entropy: Float[Tensor, ""]
    log_variance: Float[Tensor, ""]
    batch_perplexity: Float[Tensor, ""]


def batch_perplexity(codes: Int[Tensor, "*positions"], codebook_size: int) -> Float[Tensor, ""]:
    """Return exp(−Σ p log p) of the hard counts of a batch of codes."""
    counts = torch.zeros(codebook_size, device=codes.device).index_add_(
        0, codes.flatten(), torch.ones(codes.numel(), device=codes.device)
    )
    perplexity: Tensor = torch.special.entr(counts / codes.numel()).sum().exp()
    return perplexity
