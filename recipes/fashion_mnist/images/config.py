"""The configuration of an experiment with images."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from sqspeech.config import EngineConfig, TaskConfig
from sqspeech.quantizers import QUANTIZERS, QuantizerConfig
from sqspeech.registered_config import Registered

_STRICT = ConfigDict(extra="forbid", strict=True)
_QUANTIZER = Registered(QUANTIZERS, "gaussian_sq")

Target = Literal["gray", "levels", "mask"]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ImagesConfig:
    """Input, output and batch.

    Images are resized to `resize` × `resize` pixels. The `target` is their values from 0 to 1 (gray), their values in
    `levels` equal steps as classes (levels), or two classes, background and what is on it (mask).
    """

    resize: int = Field(default=28, ge=1)
    target: Target = "gray"
    levels: int = Field(default=8, ge=2, le=256)
    batch_size: int = Field(default=32, ge=2)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class NetworkConfig:
    """Channels (`width`), residual blocks at each resolution (`depth`), and how often the resolution is halved."""

    width: int = Field(default=32, ge=1)
    depth: int = Field(default=2, ge=0)
    num_down: int = Field(default=2, ge=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ImageTraining(EngineConfig):
    """Schedule and objective: Adam with constant learning rate and `betas`.

    The Gumbel temperature at a step is exp(−`temperature_decay` · step). `objective` is the reconstruction term: nats,
    the negative log-likelihood of an image, or mean, the mean over pixels of the squared error or of the cross-entropy,
    which fits quantisers whose loss is not in nats, such as vq_ema.
    """

    objective: Literal["nats", "mean"] = "nats"
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    temperature_decay: float = Field(default=1e-5, ge=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ImageConfig(TaskConfig):
    """Everything that makes an experiment with images."""

    images: ImagesConfig = ImagesConfig()
    network: NetworkConfig = NetworkConfig()
    quantizer: Annotated[QuantizerConfig, _QUANTIZER] = Field(default_factory=_QUANTIZER.build)
    training: ImageTraining = ImageTraining()

    @property
    def grid(self) -> int:
        """Rows of the grid of codes, and codes in each."""
        return self.images.resize // (1 << self.network.num_down)

    @model_validator(mode="after")
    def _check(self) -> "ImageConfig":
        resize, stride = self.images.resize, 1 << self.network.num_down
        if resize % stride:
            raise ValueError(
                f"images.resize: {resize} pixels are no multiple of {stride}, the stride of network.num_down = "
                f"{self.network.num_down}; set images.resize={resize + stride - resize % stride} or a smaller num_down"
            )
        if self.training.objective == "mean" and self.quantizer.in_nats:
            raise ValueError(
                f"training.objective: mean does not fit the quantizer {self.quantizer.name}, whose loss is in nats; "
                "use nats, or another quantizer, such as vq_ema"
            )
        return self
