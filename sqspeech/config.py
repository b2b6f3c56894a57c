"""One YAML file, and `key=value` overrides, to one frozen experiment configuration."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from sqspeech.atomic import write_text
from sqspeech.data.crops import CropConfig
from sqspeech.errors import ConfigError
from sqspeech.features import LogMelConfig
from sqspeech.models.decoder import DecoderConfig
from sqspeech.models.encoder import EncoderConfig
from sqspeech.models.sqvae import Objective
from sqspeech.quantizers import GaussianSQConfig, GaussianVaeConfig, VmfSQConfig, VqEmaConfig

Precision = Literal["float32", "tf32", "bfloat16"]

_STRICT = ConfigDict(extra="forbid", strict=True)

QUANTIZERS = {
    "gaussian_sq": GaussianSQConfig,
    "vmf_sq": VmfSQConfig,
    "vq_ema": VqEmaConfig,
    "gaussian_vae": GaussianVaeConfig,
}


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class EngineConfig:
    """Length, precision and intervals of a training, whatever is trained: the base of each task's section `training`.

    `precision` is that of the network's products on a GPU (a CPU computes in float32). `log_every`, `validate_every`,
    `checkpoint_every` and `keep_every` count steps: of each `keep_every`-th step a checkpoint is kept, the newest
    `keep` of them (0: none). A checkpoint is written every `checkpoint_every` steps, but not sooner than
    `checkpoint_seconds` after the one before, unless it is the best so far, is to be kept, or is the last.
    """

    steps: int = Field(default=500_000, ge=1)
    seed: int = Field(default=0, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    precision: Precision = "bfloat16"
    log_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=10_000, ge=1)
    checkpoint_every: int = Field(default=1_000, ge=1)
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    keep_every: int = Field(default=50_000, ge=1)
    keep: int = Field(default=3, ge=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TrainingConfig(EngineConfig):
    """Schedule and objective. They stand here, and not beside their class, because training is above configuration.

    The learning rate is halved at each of `learning_rate_milestones`; the Gumbel temperature at a step is
    exp(−`temperature_decay` · step). `objective` is the reconstruction term: ar_elbo, or the plain mse, which fits
    vq_ema alone, since the other quantisers' terms are in nats. The quantiser and the loss are in float32 whatever
    `precision` is, and the recurrent network of the decoder in float32 or, where `precision` is lower, TF32.
    """

    objective: Objective = "ar_elbo"
    learning_rate: float = Field(default=4e-4, gt=0)
    learning_rate_milestones: tuple[int, ...] = (300_000, 400_000)
    temperature_decay: float = Field(default=1e-5, ge=0)


class TaskConfig:
    """Base of the configuration of a training: a frozen dataclass of sections, of which the engine reads `training`."""

    training: EngineConfig

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate nested plain values; `where` names their source in errors.

        Raises
        ------
        ConfigError
            A key is unknown, or a value is of the wrong type or out of range.
        """
        try:
            # JSON, because strict Python mode would refuse YAML's lists for tuples.
            return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            raise ConfigError(f"{where}: {_explain(cls, error)}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, which `from_dict` reads back."""
        values: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return values


def _quantizer_name(values: Any) -> str:
    return str(values.get("name", "gaussian_sq") if isinstance(values, dict) else values.name)


AnyQuantizerConfig = Annotated[
    Annotated[GaussianSQConfig, Tag("gaussian_sq")]
    | Annotated[VmfSQConfig, Tag("vmf_sq")]
    | Annotated[VqEmaConfig, Tag("vq_ema")]
    | Annotated[GaussianVaeConfig, Tag("gaussian_vae")],
    Discriminator(_quantizer_name),
]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ExperimentConfig(TaskConfig):
    """Everything that makes an experiment; the defaults are the published ZeroSpeech configuration."""

    features: LogMelConfig = LogMelConfig()
    encoder: EncoderConfig = EncoderConfig()
    quantizer: AnyQuantizerConfig = GaussianSQConfig()
    decoder: DecoderConfig = DecoderConfig()
    crops: CropConfig = CropConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _check(self) -> "ExperimentConfig":
        if self.training.objective == "mse" and self.quantizer.name != "vq_ema":
            raise ValueError(f"training.objective: mse fits the quantizer vq_ema, not {self.quantizer.name}")
        return self


def load_config(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read a YAML configuration and apply `section.key=value` overrides, whose values are YAML too.

    Raises
    ------
    ConfigError
        The file is missing or no YAML mapping, an override is malformed, or a key or value is wrong.
    """
    return ExperimentConfig.from_dict(read_values(path, overrides), str(path))


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the plain values of a YAML configuration and its overrides, unchecked; raises ConfigError.

    See `load_config`.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping of sections; see the configurations in recipes/")
    for override in overrides:
        _override(values, override)
    return values


def save_config(path: Path, config: TaskConfig, **more: str) -> None:
    """Write a complete YAML configuration, and `more` keys before it."""
    write_text(path, yaml.safe_dump(more | config.to_dict(), sort_keys=False))


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-4 as a string; YAML 1.2, and everybody who writes one, as a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, last = key.split(".")
    if not equals or not last or not sections:
        raise ConfigError(f"--set {override}: expected section.key=value, such as training.steps=1000")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section")
    try:
        values[last] = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {text!r} is no YAML value") from None


def _explain(root: type, error: ValidationError) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    kind, message = first["type"], first["msg"].removeprefix("Value error, ")
    tag = location.pop(1) if location[:1] == ["quantizer"] and len(location) > 2 else None
    key = ".".join(location)
    if kind == "union_tag_invalid":
        tags = str(first["ctx"]["expected_tags"])
        return f"{key}.name: {first['ctx']['tag']!r} is none of {tags}"
    if kind != "unexpected_keyword_argument":
        return f"{key}: {message}, found {first['input']!r}" if key else message
    near = get_close_matches(location[-1], _keys(root, location[:-1], tag), n=1, cutoff=0)
    return f"unknown key {key}; the nearest one is {'.'.join([*location[:-1], *near])}"


def _keys(root: type, sections: list[str], tag: str | None) -> list[str]:
    """Return the keys of a section, which is the class of the field's default where it has variants."""
    for section in sections:
        root = QUANTIZERS[tag] if tag else next(f.type for f in fields(root) if f.name == section)  # type: ignore[assignment]
    return [f.name for f in fields(root)]
