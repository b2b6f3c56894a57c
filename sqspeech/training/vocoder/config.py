"""Configuration of the task `vocoder`."""

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from sqspeech.config import EngineConfig, TaskConfig
from sqspeech.data.crops import CropConfig
from sqspeech.features import LogMelConfig
from sqspeech.training.vocoder.discriminators import DiscriminatorConfig
from sqspeech.training.vocoder.losses import longest_window
from sqspeech.vocoders.source_filter import SourceFilterConfig

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class InputConfig:
    """Input of the network in place of the log-mel of the recording.

    Of a share of the crops, `decoded`, it is what the checkpoint `codec` decodes with their own speaker; of another,
    `blurred`, the recording's averaged over neighbouring frames and bands.
    """

    codec: str | None = None
    decoded: float = Field(default=0.0, ge=0, le=1)
    blurred: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> "InputConfig":
        if self.decoded and self.codec is None:
            raise ValueError(f"decoded = {self.decoded} of the crops need a codec; name its checkpoint")
        if self.decoded + self.blurred > 1:
            raise ValueError(f"decoded {self.decoded} and blurred {self.blurred} exceed all crops")
        return self


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VocoderTrainingConfig(EngineConfig):
    """Schedule: the learning rate rises over `warm_up` steps and falls as a cosine until step `anneal`.

    `average` is the share that the running mean of the weights, which is what is used, keeps at a step.
    """

    learning_rate: float = Field(default=1e-3, gt=0)
    warm_up: int = Field(default=200, ge=1)
    anneal: int = Field(default=400_000, ge=1)
    average: float = Field(default=0.998, ge=0, lt=1)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VocoderConfig(TaskConfig):
    """Everything that makes a vocoder."""

    features: LogMelConfig = LogMelConfig()
    network: SourceFilterConfig = SourceFilterConfig()
    inputs: InputConfig = InputConfig()
    crops: CropConfig = CropConfig(batch_size=16, frames=64, sampling="duration")
    discriminators: DiscriminatorConfig = DiscriminatorConfig()
    training: VocoderTrainingConfig = VocoderTrainingConfig()

    @property
    def margin(self) -> int:
        """The frames at either edge of a crop whose samples depend on pulses beyond it."""
        return self.network.overlap - 1

    @model_validator(mode="after")
    def _check(self) -> "VocoderConfig":
        hop, unused = self.features.hop_length, 1 + 2 * self.margin
        longest = max(longest_window(self.features.sample_rate), *self.discriminators.resolutions)
        if (self.crops.frames - unused) * hop < longest:
            least = unused + -(-longest // hop)
            raise ValueError(f"crops.frames: {self.crops.frames} hold no window of the losses; take {least} or more")
        if self.crops.storage == "bfloat16":
            raise ValueError("crops.storage: bfloat16 is too coarse for samples; take float32 or float16")
        return self
