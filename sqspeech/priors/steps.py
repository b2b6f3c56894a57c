"""Units as the steps that a language model reads, and back."""

from dataclasses import dataclass as plain_dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sqspeech.codec.units import UnitInfo, Units


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class StepConfig:
    """Kind of a step: a unit or, with `runs`, a run of equal units with its duration, of at most `longest_run` units.

    A run that is longer is more than one step.
    """

    runs: bool = False
    longest_run: int = Field(default=32, ge=2)


@plain_dataclass(frozen=True)
class StepCoder:
    """Conversion between units of some origin and steps (S, C).

    The columns are the codes of the Q stages and, of runs, the duration less one.
    """

    config: StepConfig
    info: UnitInfo

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of values of each column."""
        duration = (self.config.longest_run,) if self.config.runs else ()
        return (self.info.codebook_size,) * self.info.stages + duration

    def encode(self, units: Units) -> NDArray[np.int64]:
        """Return the steps of units, one a step of the codec."""
        if not self.config.runs:
            return units.codes.reshape(len(units), -1)
        longest, (codes, durations) = self.config.longest_run, units.runs()
        parts = -(-durations // longest)
        lengths = np.full(parts.sum(), longest)
        lengths[parts.cumsum() - 1] = durations - (parts - 1) * longest
        return np.column_stack([codes.repeat(parts, axis=0).reshape(len(lengths), -1), lengths - 1])

    def decode(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the codes of steps, (L,) or (L, Q)."""
        stages = self.info.stages
        codes = steps[:, :stages].repeat(self.durations(steps), axis=0)
        return codes[:, 0] if stages == 1 else codes

    def durations(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many units each step stands for."""
        return steps[:, -1] + 1 if self.config.runs else np.ones(len(steps), np.int64)
