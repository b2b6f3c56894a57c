"""Batches of features that live outside the training device, drawn one step ahead."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sqspeech.data.crops import Crops

type Batch = tuple[Float[Tensor, "B T M"], Int[Tensor, " B"]]


class Feed:
    """The batch of a step, brought to a device without waiting for it.

    On a GPU the batch lies in tensors that stay the same from step to step, which a CUDA graph needs. It is drawn into
    one of two pairs of pinned buffers while the device computes the step before; the copies stand in the queue of the
    current stream, so that none overtakes the step that still reads the tensors.

    Parameters
    ----------
    crops
        Drawn on the host.
    device
        The training device.
    """

    def __init__(self, crops: Crops, device: torch.device) -> None:
        self._there: Batch | None = None
        self._crops, self._pinned = crops, device.type == "cuda"
        self._device, self._turn = device, 0
        self._key: int | None = None
        self._buffers: list[Batch] = []
        self._copied: list[torch.cuda.Event] = []

    def draw(self, key: int) -> None:
        """Draw the batch of a key, so that `bring` will only have to copy it."""
        drawn = self._crops.batch(key)
        if self._pinned:
            drawn = self._pin(drawn)
        self._drawn, self._key = drawn, key

    def bring(self, key: int) -> Batch:
        """Return the batch of a key, log-mel and speakers, on the device."""
        if key != self._key:
            self.draw(key)
        if not self._pinned:
            return self._drawn
        if self._there is None:
            mel, speaker = self._drawn
            self._there = torch.empty_like(mel, device=self._device), torch.empty_like(speaker, device=self._device)
        for place, values in zip(self._there, self._drawn, strict=True):
            place.copy_(values, non_blocking=True)
        self._copied[self._turn].record()
        return self._there

    def _pin(self, drawn: Batch) -> Batch:
        if not self._buffers:
            self._buffers = [(_pinned_like(drawn[0]), _pinned_like(drawn[1])) for _ in range(2)]
            self._copied = [torch.cuda.Event() for _ in range(2)]  # type: ignore[no-untyped-call]
        self._turn = 1 - self._turn
        self._copied[self._turn].synchronize()
        for buffer, values in zip(self._buffers[self._turn], drawn, strict=True):
            buffer.copy_(values)
        return self._buffers[self._turn]


def _pinned_like(values: Tensor) -> Tensor:
    return torch.empty_like(values, pin_memory=True)
