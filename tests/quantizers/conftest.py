"""Every quantiser in turn, and latents for it, for the tests that hold for all of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sqspeech.quantizers import QUANTIZERS as REGISTRY
from sqspeech.quantizers import Quantizer, build_quantizer

type Build = Callable[..., Quantizer]
type Draw = Callable[..., tuple[Tensor, Tensor | None]]


# Levels of FSQ, which has fewer dimensions than asked for where their product, its K, would be large.
LEVELS = {3: (7, 3, 3), 4: (3, 4, 5, 3), 16: (3,) * 4 + (4,) * 4, 64: (3, 5)}


def _options(name: str, **options: object) -> Build:
    """Return a function that makes a quantiser of K codewords of dimension D."""

    def build(K: int, D: int) -> Quantizer:
        size = {"codebook_size": K, "codebook_dim": D}
        sizes = {"gaussian_vae": {"latent_dim": D}, "fsq": {"levels": LEVELS[D]}}
        if name == "residual":
            stage = {**options["quantizer"], **size}
            inner = REGISTRY.config(stage["name"])(**stage)
            return build_quantizer(REGISTRY.config(name)(stages=options["stages"], quantizer=inner))
        return build_quantizer(REGISTRY.config(name)(**sizes.get(name, size), **options))

    return build


QUANTIZERS: dict[str, Build] = {
    "gaussian_sq_I": _options("gaussian_sq", variance="I", initial_variance=0.5),
    "gaussian_sq_II": _options("gaussian_sq", variance="II", initial_variance=0.5),
    "gaussian_sq_III": _options("gaussian_sq", variance="III", initial_variance=0.5),
    "gaussian_sq_IV": _options("gaussian_sq", variance="IV", initial_variance=0.5),
    "gaussian_sq_fixed": _options("gaussian_sq", variance="I", learn_variance=False, initial_variance=0.5),
    "vmf_sq": _options("vmf_sq"),
    "vq_ema": _options("vq_ema", decay=0.9),
    "vq_ema_reset": _options("vq_ema", decay=0.9, reset=True, reset_after=1),
    "vq_ema_rotation": _options("vq_ema", decay=0.9, rotation=True),
    "gaussian_vae": _options("gaussian_vae"),
    "fsq": _options("fsq"),
    "sim_vq": _options("sim_vq"),
    "residual_gaussian_sq_I": _options(
        "residual", stages=3, quantizer={"name": "gaussian_sq", "variance": "I", "initial_variance": 0.5}
    ),
    "residual_gaussian_sq_IV": _options(
        "residual", stages=3, quantizer={"name": "gaussian_sq", "variance": "IV", "initial_variance": 0.5}
    ),
    "residual_vq_ema": _options("residual", stages=2, quantizer={"name": "vq_ema", "decay": 0.9}),
    "residual_sim_vq": _options("residual", stages=2, quantizer={"name": "sim_vq"}),
}


@pytest.fixture(params=QUANTIZERS)
def build(request: pytest.FixtureRequest) -> Build:
    """Return a function that makes the quantiser, the same at every call, of K codewords of dimension D."""

    def seeded(K: int = 5, D: int = 4) -> Quantizer:
        torch.manual_seed(0)
        return QUANTIZERS[request.param](K, D)

    return seeded


@pytest.fixture
def all_builds() -> dict[str, Build]:
    """Return the functions that make each."""
    return QUANTIZERS


@pytest.fixture
def draw() -> Draw:
    """Return a function that draws (B, T, D) latents, and the (B, T, E) channels beside them or None."""

    def normal(quantizer: Quantizer, *shape: int) -> tuple[Tensor, Tensor | None]:
        torch.manual_seed(1)
        z, extra = torch.randn(*shape, quantizer.dim), torch.randn(*shape, quantizer.extra_channels)
        return z, extra if quantizer.extra_channels else None

    return normal
