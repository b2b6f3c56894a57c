"""Batches whose data live outside the training device, drawn one step ahead."""

import torch
from torch import Tensor

from sqspeech.training.tasks.base import Batch, Batches


class Feed:
    """The batch of a step, brought to a device without waiting for it.

    On a GPU the batch lies in tensors that stay the same from step to step, which a CUDA graph needs. It is drawn into
    one of two sets of pinned buffers while the device computes the step before; the copies stand in the queue of the
    current stream, so that none overtakes the step that still reads the tensors.

    Parameters
    ----------
    batches
        Drawn on the host.
    device
        The training device.
    """

    def __init__(self, batches: Batches, device: torch.device) -> None:
        self._there: Batch | None = None
        self._batches, self._pinned = batches, device.type == "cuda"
        self._device, self._turn = device, 0
        self._key: int | None = None
        self._buffers: list[Batch] = []
        self._copied: list[torch.cuda.Event] = []

    def draw(self, key: int) -> None:
        """Draw the batch of a key, so that `bring` will only have to copy it."""
        drawn = self._batches.batch(key)
        if self._pinned:
            drawn = self._pin(drawn)
        self._drawn, self._key = drawn, key

    def bring(self, key: int) -> Batch:
        """Return the batch of a key on the device."""
        if key != self._key:
            self.draw(key)
        if not self._pinned:
            return self._drawn
        if self._there is None:
            self._there = tuple(torch.empty_like(values, device=self._device) for values in self._drawn)
        for place, values in zip(self._there, self._drawn, strict=True):
            place.copy_(values, non_blocking=True)
        self._copied[self._turn].record()
        return self._there

    def _pin(self, drawn: Batch) -> Batch:
        if not self._buffers:
            self._buffers = [tuple(map(_pinned_like, drawn)) for _ in range(2)]
            self._copied = [torch.cuda.Event() for _ in range(2)]  # type: ignore[no-untyped-call]
        self._turn = 1 - self._turn
        self._copied[self._turn].synchronize()
        for buffer, values in zip(self._buffers[self._turn], drawn, strict=True):
            buffer.copy_(values)
        return self._buffers[self._turn]


def _pinned_like(values: Tensor) -> Tensor:
    return torch.empty_like(values, pin_memory=True)
