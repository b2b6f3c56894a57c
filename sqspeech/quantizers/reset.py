"""Codewords that no latent chooses, drawn again from the latents."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def drawn_again(
    unused: Int[Tensor, " K"], after: int, z: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None
) -> tuple[Bool[Tensor, " K"], Float[Tensor, "K D"]]:
    """Return the mask of codewords that are drawn again, not chosen for `after` training steps, and a latent for each.

    A latent is drawn twice only where there are fewer than codewords, and none where a mask leaves none. Nothing waits
    for the device: there is a latent for every codeword, used or not.

    Source: Dhariwal et al., "Jukebox", arXiv 2005.00341, section 3.1 (random restart).
    """
    dead, draws = unused >= after, torch.rand(z.shape[:2], device=z.device).flatten()
    count: int | Tensor = len(draws)
    if mask is not None:
        dead, draws, count = dead & mask.any(), draws.masked_fill(~mask.flatten(), -1.0), mask.sum().clamp(min=1)
    # Not `multinomial`: without replacement it waits for the device, and with it draws a latent twice.
    rows = draws.argsort(descending=True)[torch.arange(len(unused), device=z.device) % count]
    return dead, z.flatten(0, 1)[rows]
