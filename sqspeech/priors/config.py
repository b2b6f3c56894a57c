"""Configuration of a prior over units."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sqspeech.config import EngineConfig, TaskConfig
from sqspeech.priors.speakers import ConditionConfig
from sqspeech.priors.steps import StepConfig
from sqspeech.priors.unit_lm import UnitLMConfig

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PriorTrainingConfig(EngineConfig):
    """A batch is `batch_size` windows of `model.context` steps.

    The learning rate rises for `warm_up` steps, and is halved at each of `learning_rate_milestones`.
    """

    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    warm_up: int = Field(default=100, ge=1)
    learning_rate_milestones: tuple[int, ...] = ()
    weight_decay: float = Field(default=0.1, ge=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PriorConfig(TaskConfig):
    """Everything that makes a prior: its condition, its steps, its transformer, its training."""

    condition: ConditionConfig = ConditionConfig()
    steps: StepConfig = StepConfig()
    model: UnitLMConfig = UnitLMConfig()
    training: PriorTrainingConfig = PriorTrainingConfig()
