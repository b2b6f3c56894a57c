"""Single precision that nothing around it can lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_MATMULS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Run matrix products in IEEE single precision, whatever autocast or the TF32 switches say outside."""
    before = [backend.fp32_precision for backend in _MATMULS]
    try:
        for backend in _MATMULS:
            backend.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(_MATMULS, before, strict=True):
            backend.fp32_precision = precision


def at_least_single(tensor: Tensor) -> Tensor:
    """Return half-precision tensors in single precision, and others as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
