"""Codewords that no latent chooses, drawn again from the latents."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def drawn_again(
    unused: Int[Tensor, " K"], after: int, z: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"] | None
) -> tuple[Bool[Tensor, " K"], Float[Tensor, "K D"]]:
    """Return which codewords are drawn again, those not chosen for `after` training steps, and a latent for each.

    Where a mask leaves no latent, none is drawn again. Nothing waits for the device: there is a latent for every
    codeword, used or not.

    Source: Dhariwal et al., "Jukebox", arXiv 2005.00341, section 3.1 (random restart).
    """
    dead = unused >= after
    odds = torch.ones(z.shape[:2], device=z.device)
    if mask is not None:
        dead = dead & mask.any()
        # Not all zero, which `multinomial` refuses.
        odds = mask.float().clamp_min(1e-30)
    # A latent twice is two codewords for one thing.
    repeated = mask is not None or len(unused) > odds.numel()
    rows = torch.multinomial(odds.flatten(), len(unused), replacement=repeated)
    return dead, z.flatten(0, 1)[rows]
