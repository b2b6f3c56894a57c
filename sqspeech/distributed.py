"""A training batch whose rows are shared out between processes, and what must be computed over all of it.

Process r of W holds the rows r·B to (r + 1)·B of a batch of W·B. Every process draws the whole batch's random numbers
and takes its rows, sums are taken over all processes, and each process's loss is that of the whole batch; the mean of
the processes' gradients is then the gradient that a single process would have had. Alone, these are the plain torch
operations; so they are outside `sharing`, where the other processes might not follow.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch import distributed as torch_distributed

_sharing = False


@contextmanager
def sharing() -> Iterator[None]:
    """Share the batches inside the block between the processes of the default process group, if there is one."""
    global _sharing
    before, _sharing = _sharing, torch_distributed.is_initialized()
    try:
        yield
    finally:
        _sharing = before


def world_size() -> int:
    """Return the number of processes that share the batch."""
    return torch_distributed.get_world_size() if _sharing else 1


def rank() -> int:
    """Return this process's place among them, from 0."""
    return torch_distributed.get_rank() if _sharing else 0


def uniform(like: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Return uniform draws from [0, 1): this process's rows of those of the whole batch."""
    if world_size() == 1:
        return torch.rand_like(like)
    rows = len(like)
    drawn = torch.rand(rows * world_size(), *like.shape[1:], dtype=like.dtype, device=like.device)
    return drawn[rank() * rows : (rank() + 1) * rows]


def all_reduce_sum(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the sum over the processes; its gradient is the sum of the processes' gradients."""
    if world_size() == 1:
        return values
    summed: Tensor = _AllReduceSum.apply(values)  # type: ignore[no-untyped-call]
    return summed


def all_gather(rows: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "W ..."]:
    """Return the rows of all processes in order, without a gradient."""
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    torch_distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message for all of them."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    message = torch.cat([gradient.flatten() for gradient in gradients])
    torch_distributed.all_reduce(message)
    message /= world_size()
    parts = torch.split(message, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        torch_distributed.all_reduce(summed)
        return summed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        torch_distributed.all_reduce(summed)
        return summed
