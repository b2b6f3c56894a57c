"""Single precision that nothing around it can lower."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_ON_GPU = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)  # type: ignore[attr-defined]
_ON_CPU = (torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)  # type: ignore[attr-defined]


@contextmanager
def float32_products(*, tf32: bool) -> Iterator[None]:
    """Choose whether a GPU computes products, convolutions and recurrences of float32 in TF32; a CPU never does."""
    wanted = dict.fromkeys(_ON_GPU, "tf32" if tf32 else "ieee") | dict.fromkeys(_ON_CPU, "ieee")
    before = {backend: backend.fp32_precision for backend in wanted}
    try:
        for backend, precision in wanted.items():
            backend.fp32_precision = precision
        yield
    finally:
        for backend, precision in before.items():
            backend.fp32_precision = precision


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in IEEE single precision what autocast or the TF32 switches outside would lower."""
    with float32_products(tf32=False), torch.autocast(device.type, enabled=False):
        yield


def at_least_single(tensor: Tensor) -> Tensor:
    """Return half-precision tensors in single precision, and others as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def full_product(left: Float[Tensor, "B T I"], right: Float[Tensor, "I O"]) -> Float[Tensor, "B T O"]:
    """Return left · right in full precision, and so its gradient, whatever is set when backward runs."""
    product: Tensor = _FullProduct.apply(left, right)  # type: ignore[no-untyped-call]
    return product


class _FullProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        with full_precision(left.device):
            return left @ right

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        with full_precision(left.device):
            return gradient @ right.T, left.flatten(0, 1).T @ gradient.flatten(0, 1)
