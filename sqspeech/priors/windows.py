"""Random windows of sequences of integers, as training batches."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.data.random_hash import hash_numbers, uniform
from sqspeech.errors import ConfigError
from sqspeech.priors.unit_lm import PADDING


class Windows:
    """The windows of every training step: a function of the seed and the step alone, drawn on the training device.

    A step of the corpus is drawn, and the window is where it stands in the middle, as far as the sequence allows: no
    step is in fewer windows because it is near an end.

    Parameters
    ----------
    sequences
        Steps (S, C) each.
    begin
        The step that stands before the first of each sequence, (C,).
    batch_size, length
        Windows of a batch, and the predicted steps of each.
    seed
        Of the draws.
    device
        Where they are drawn.
    part
        This process's rank, and the number of processes that share a batch.
    classes
        Of each sequence; None where there are none.
    class_dropout
        The share of the windows whose class is replaced by 0.

    Raises
    ------
    ConfigError
        The batch cannot be shared out evenly.
    """

    on_device = True

    def __init__(
        self,
        sequences: Sequence[NDArray[np.integer]],
        begin: Int[Tensor, " C"],
        *,
        batch_size: int,
        length: int,
        seed: int,
        device: torch.device,
        part: tuple[int, int] = (0, 1),
        classes: Int[Tensor, " N"] | None = None,
        class_dropout: float = 0.0,
    ) -> None:
        rank, processes = part
        if batch_size % processes:
            raise ConfigError(
                f"training.batch_size = {batch_size} cannot be shared out between {processes} processes; take a number "
                "of processes that divides it, or another batch_size"
            )
        self.seed, rows = seed, batch_size // processes
        first = begin.cpu().numpy()
        steps = np.concatenate([part for sequence in sequences for part in (first[None], sequence)])
        self._steps = torch.from_numpy(steps.astype(np.int32)).to(device)
        self._lengths = torch.tensor([len(sequence) for sequence in sequences], device=device)
        self._ends = self._lengths.cumsum(0)
        self._places = 1 + rank * rows + torch.arange(rows, device=device)
        self._classes = None if classes is None else classes.to(device)
        self._class_dropout, self._batch_size = class_dropout, batch_size
        self._total, self._within = sum(map(len, sequences)), torch.arange(length + 1, device=device)

    def key(self, step: int) -> int:
        """Return the key of a step's draws."""
        return hash_numbers(self.seed, step)

    def batch(self, key: int | Int[Tensor, ""]) -> tuple[Tensor, ...]:
        """Return this process's windows (B, M, C) and, where there are classes, those of the windows (B,).

        A window is a step and those that follow it, M = length + 1, then `PADDING`.
        """
        drawn = (uniform(key, self._places) * self._total).long()
        sequence = torch.searchsorted(self._ends, drawn, right=True)
        length, size = self._lengths[sequence], len(self._within) - 1
        middle = drawn - (self._ends[sequence] - length)
        start = torch.minimum((middle - size // 2).clamp_min(0), (length - size).clamp_min(0))
        within = start.unsqueeze(1) + self._within
        # Each sequence is one longer than its length, by the step before its first.
        index = (self._ends[sequence] - length + sequence).unsqueeze(1) + within
        found = self._steps[index.clamp_max(len(self._steps) - 1)].long()
        windows = torch.where((within <= length.unsqueeze(1)).unsqueeze(-1), found, PADDING)
        if self._classes is None:
            return (windows,)
        kept = uniform(key, self._batch_size + self._places) >= self._class_dropout
        return windows, self._classes[sequence] * kept

    def describe(self) -> str:
        """Return one line: how many steps of how many sequences."""
        return f"{self._total} steps of {len(self._lengths)} sequences, in the memory of {self._steps.device}"
