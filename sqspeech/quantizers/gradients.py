"""Gradients of a quantiser that chooses: what the latents get of the gradient of their codewords."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def straight_through(z: Float[Tensor, "B T D"], z_q: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Return z_q, whose gradient reaches z unchanged."""
    return z + (z_q - z).detach()


def rotate(z: Float[Tensor, "B T D"], z_q: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Return z_q as ‖z_q‖/‖z‖ R z, where the rotation R, from z's direction to z_q's, and the ratio are constants.

    So the gradient keeps its angle to the codeword when it becomes that of the latent, and is scaled as it is.
    Source: Fifty et al., "Restructuring vector quantization with the rotation trick", arXiv 2410.06424, section 4.
    """
    start, end = (functional.normalize(x.detach(), dim=-1, eps=1e-6) for x in (z, z_q))
    middle = functional.normalize(start + end, dim=-1, eps=1e-6)
    # R z = z − 2 m mᵀ z + 2 e sᵀ z, without its D × D matrix.
    turned = z - 2 * middle * (middle * z).sum(-1, keepdim=True) + 2 * end * (start * z).sum(-1, keepdim=True)
    ratio = z_q.detach().norm(dim=-1, keepdim=True) / z.detach().norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return straight_through(ratio * turned, z_q)
