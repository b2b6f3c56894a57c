"""A training batch whose rows are shared out between processes, and what must be computed over all of it.

Process r of W holds the rows r·B to (r + 1)·B of a batch of W·B. Every process draws the whole batch's random numbers
and takes its rows, sums are taken over all processes, and each process's loss is that of the whole batch; the mean of
the processes' gradients is then the gradient that a single process would have had. Alone, these are the plain torch
operations; so they are outside `sharing`, where the other processes might not follow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, distributed

_sharing = False


@contextmanager
def sharing() -> Iterator[None]:
    """Share the batches inside the block between the processes of the default process group, if there is one."""
    global _sharing
    before, _sharing = _sharing, distributed.is_initialized()
    try:
        yield
    finally:
        _sharing = before


def count() -> int:
    """Return the number of processes that share the batch."""
    return distributed.get_world_size() if _sharing else 1


def index() -> int:
    """Return this process's place among them, from 0."""
    return distributed.get_rank() if _sharing else 0


def uniform(like: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Return uniform draws from [0, 1): this process's rows of those of the whole batch."""
    if count() == 1:
        return torch.rand_like(like)
    rows = len(like)
    drawn = torch.rand(rows * count(), *like.shape[1:], dtype=like.dtype, device=like.device)
    return drawn[index() * rows : (index() + 1) * rows]


def total(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the sum over the processes; its gradient is the sum of the processes' gradients."""
    if count() == 1:
        return values
    summed: Tensor = _Total.apply(values)  # type: ignore[no-untyped-call]
    return summed


def whole(rows: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "W ..."]:
    """Return the rows of all processes in order, without a gradient."""
    if count() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(count())]
    distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        distributed.all_reduce(summed)
        return summed
