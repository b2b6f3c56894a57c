"""Values that depend on the step alone, so that resuming needs no state of theirs."""

import math
from typing import Protocol

from sqspeech.config import TrainingConfig


class Halved(Protocol):
    """A learning rate, and the steps at which it is halved."""

    @property
    def learning_rate(self) -> float:
        """That of the first step."""

    @property
    def learning_rate_milestones(self) -> tuple[int, ...]:
        """The steps."""


def learning_rate(config: Halved, step: int) -> float:
    """Return the learning rate of a step (from 0): halved at each milestone reached."""
    reached = sum(step >= milestone for milestone in config.learning_rate_milestones)
    return config.learning_rate * 0.5**reached


def temperature(config: TrainingConfig, step: int) -> float:
    """Return the Gumbel-softmax temperature exp(−decay · step)."""
    return math.exp(-config.temperature_decay * step)
