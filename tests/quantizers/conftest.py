"""Every quantiser in turn, and latents for it, for the tests that hold for all of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sqspeech.quantizers import (
    GaussianSQ,
    GaussianSQConfig,
    GaussianVae,
    GaussianVaeConfig,
    Quantizer,
    VmfSQ,
    VmfSQConfig,
    VqEma,
    VqEmaConfig,
)

type Build = Callable[..., Quantizer]
type Draw = Callable[..., tuple[Tensor, Tensor | None]]


def _gaussian_sq(variance: str, *, learn_variance: bool = True) -> Build:
    return lambda K, D: GaussianSQ(
        GaussianSQConfig(
            codebook_size=K,
            codebook_dim=D,
            variance=variance,
            learn_variance=learn_variance,
            initial_variance=0.5,
        )
    )


QUANTIZERS: dict[str, Build] = {
    "gaussian_sq_I": _gaussian_sq("I"),
    "gaussian_sq_II": _gaussian_sq("II"),
    "gaussian_sq_III": _gaussian_sq("III"),
    "gaussian_sq_IV": _gaussian_sq("IV"),
    "gaussian_sq_fixed": _gaussian_sq("I", learn_variance=False),
    "vmf_sq": lambda K, D: VmfSQ(VmfSQConfig(codebook_size=K, codebook_dim=D)),
    "vq_ema": lambda K, D: VqEma(VqEmaConfig(codebook_size=K, codebook_dim=D, decay=0.9)),
    "vq_ema_reset": lambda K, D: VqEma(
        VqEmaConfig(codebook_size=K, codebook_dim=D, decay=0.9, reset=True, reset_after=1)
    ),
    "gaussian_vae": lambda K, D: GaussianVae(GaussianVaeConfig(latent_dim=D)),
}


@pytest.fixture(params=QUANTIZERS)
def build(request: pytest.FixtureRequest) -> Build:
    """Return a function that makes the quantiser, the same at every call, of K codewords of dimension D."""

    def seeded(K: int = 5, D: int = 4) -> Quantizer:
        torch.manual_seed(0)
        return QUANTIZERS[request.param](K, D)

    return seeded


@pytest.fixture
def draw() -> Draw:
    """Return a function that draws (B, T, D) latents, and the (B, T, E) channels beside them or None."""

    def normal(quantizer: Quantizer, *shape: int) -> tuple[Tensor, Tensor | None]:
        torch.manual_seed(1)
        z, extra = torch.randn(*shape, quantizer.dim), torch.randn(*shape, quantizer.extra_channels)
        return z, extra if quantizer.extra_channels else None

    return normal
