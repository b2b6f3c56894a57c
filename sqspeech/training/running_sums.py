"""Sums of a task's statistics over steps, kept on the device."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqspeech import distributed


@dataclass
class _Sums:
    """Names, and one sum each: shape (S,)."""

    names: list[str]
    values: Tensor


class RunningSums:
    """Sums of the statistics of each phase, of which a CUDA graph changes its own in place."""

    def __init__(self) -> None:
        self._phases: dict[str, _Sums] = {}

    def __getitem__(self, phase: str) -> Tensor:
        """Return the sums of a phase, shape (S,)."""
        return self._phases[phase].values

    def add(self, phase: str, statistics: Mapping[str, Tensor]) -> Tensor:
        """Add the statistics of a step, scalars, and return them in float32, shape (S,)."""
        values = torch.stack([value.float() for value in statistics.values()])
        if phase not in self._phases:
            self._phases[phase] = _Sums(list(statistics), torch.zeros_like(values))
        self._phases[phase].values += values
        return values

    def clear(self) -> None:
        """Begin new sums."""
        for sums in self._phases.values():
            sums.values.zero_()

    def totals(self) -> dict[str, float]:
        """Return the sum of each statistic over all phases, means over the processes. Waits for the device."""
        totals = Counter[str]()
        for _, names, values in self._shared():
            totals.update(dict(zip(names, values.tolist(), strict=True)))
        return dict(totals)

    def means(self, phases: Iterable[str]) -> dict[str, float]:
        """Return the mean of each statistic over the steps since `clear`, whose phases are given.

        A statistic that some phases lack is averaged over the steps of the others. Waits for the device.
        """
        steps, counts = Counter(phases), Counter[str]()
        for phase, sums in self._phases.items():
            counts.update(dict.fromkeys(sums.names, steps[phase]))
        return {name: total / counts[name] for name, total in self.totals().items() if counts[name]}

    def state(self) -> dict[str, Any]:
        """Return what `load` needs, the same in all processes."""
        return {phase: {"names": list(names), "sums": values} for phase, names, values in self._shared()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, which another number of processes may have written."""
        self._phases = {phase: _Sums(list(found["names"]), found["sums"]) for phase, found in state.items()}

    def _shared(self) -> list[tuple[str, list[str], Tensor]]:
        with distributed.sharing():
            return [
                (phase, sums.names, distributed.all_reduce_sum(sums.values) / distributed.world_size())
                for phase, sums in self._phases.items()
            ]
