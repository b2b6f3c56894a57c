"""The mean of the codewords under the posterior, which conversion may decode in place of the most probable one."""

import torch
from jaxtyping import Float
from torch import Tensor

from sqspeech.quantizers.base import Quantizer


def posterior_mean(quantizer: Quantizer, posteriors: Float[Tensor, "L QK"]) -> Float[Tensor, "L D"]:
    """Return the mean of the codewords under the posterior; of several stages, the sum of their means."""
    stages, size = quantizer.stages, quantizer.codebook_size
    assert size is not None
    codes = torch.zeros(stages, size, stages, dtype=torch.long, device=posteriors.device)
    for stage in range(stages):
        codes[stage, :, stage] = torch.arange(size)
    # Of stage q and code k: codeword k and, of the other stages, codeword 0.
    sums = quantizer.lookup(codes if stages > 1 else codes[..., 0])
    zeros = sums[0, 0]
    weights = posteriors.reshape(-1, stages, size)
    return zeros + torch.einsum("lqk,qkd->ld", weights, sums - zeros)
