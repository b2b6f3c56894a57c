"""One YAML file, and `key=value` overrides, to one frozen experiment configuration."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_type_hints

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from sqspeech.atomic import write_text
from sqspeech.data.crops import CropConfig
from sqspeech.errors import ConfigError
from sqspeech.features import LogMelConfig
from sqspeech.models.base import DECODERS, ENCODERS
from sqspeech.models.sqvae import Objective
from sqspeech.quantizers import QUANTIZERS, QuantizerConfig
from sqspeech.registered_config import Registered, section_class

Precision = Literal["float32", "tf32", "bfloat16"]

_STRICT = ConfigDict(extra="forbid", strict=True)

_ENCODER, _DECODER = Registered(ENCODERS, "conv"), Registered(DECODERS, "gru")
_QUANTIZER = Registered(QUANTIZERS, "gaussian_sq")


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
    quantisers whose loss is not in nats, such as vq_ema. The quantiser and the loss are in float32 whatever
    `precision` is, and the recurrent network of the decoder in float32 or, where `precision` is lower, TF32.

    `level_weight` is how much the error of each band's mean over a crop counts in the reconstruction term, beside that
    of what the band does around it; 1 is the plain squared error. An encoder whose input is normalised has not heard
    the level and the channel: below 1 the decoder still learns the speaker's usual ones, and the codes and the
    gradients are for what is said.
    """

    objective: Objective = "ar_elbo"
    level_weight: float = Field(default=1.0, gt=0, le=1)
    learning_rate: float = Field(default=4e-4, gt=0)
    learning_rate_milestones: tuple[int, ...] = (300_000, 400_000)
    temperature_decay: float = Field(default=1e-5, ge=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class DiscriminatorConfig:
    """The adversarial phase of a training, from step `begin` on; there is none where it is null.

    From then on encoder and quantiser stay as they are, and so the units. The decoder is trained against a
    discriminator of log-mels with convolutions of `channels`. Its learning rate falls from `learning_rate` to a tenth
    of it; that of the discriminator stays. The weights are of the decoder's losses beside the reconstruction term.
    """

    begin: int | None = Field(default=None, ge=0)
    channels: tuple[int, ...] = Field(default=(16, 32, 64, 64), min_length=3)
    learning_rate: float = Field(default=5e-4, gt=0)
    adversarial_weight: float = Field(default=0.03, ge=0)
    matching_weight: float = Field(default=0.1, ge=0)


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
            raise ConfigError(f"{where}: {_explain(cls, error, values)}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values, which `from_dict` reads back."""
        values: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return values


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ExperimentConfig(TaskConfig):
    """Everything that makes an experiment; the defaults are the published ZeroSpeech configuration."""

    features: LogMelConfig = LogMelConfig()
    encoder: Annotated[Any, _ENCODER] = Field(default_factory=_ENCODER.build)
    quantizer: Annotated[QuantizerConfig, _QUANTIZER] = Field(default_factory=_QUANTIZER.build)
    decoder: Annotated[Any, _DECODER] = Field(default_factory=_DECODER.build)
    crops: CropConfig = CropConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _check(self) -> "ExperimentConfig":
        if self.training.objective == "mse" and self.quantizer.in_nats:
            raise ValueError(
                f"training.objective: mse does not fit the quantizer {self.quantizer.name}, whose loss is in nats; "
                "use ar_elbo, or another quantizer, such as vq_ema"
            )
        return self


# Of sections whose class is chosen by name; a quantiser may contain another.
_DEFAULT_NAMES = {
    name: mark.default
    for name, kind in get_type_hints(ExperimentConfig, include_extras=True).items()
    for mark in getattr(kind, "__metadata__", ())
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read a YAML configuration with its bases and apply `section.key=value` overrides, whose values are YAML too.

    Raises
    ------
    ConfigError
        A file is missing or no YAML mapping, bases form a circle, an override is malformed, or a key or value is
        wrong.
    """
    return ExperimentConfig.from_dict(read_values(path, overrides), str(path))


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the plain values of a YAML configuration, laid over those of its `base`; raises ConfigError.

    `base` is the path of another configuration, relative to the file. A key replaces that of the base, and of a section
    only the keys that are given are replaced, unless its `name` differs: the base's keys are then another part's. The
    overrides come last (see `load_config`).
    """
    layers, seen = list[dict[str, Any]](), list[Path]()
    following: Path | None = path
    while following:
        if following.resolve() in seen:
            raise ConfigError(f"{path}: base: {following} is a base of itself; remove `base` from one of these files")
        seen.append(following.resolve())
        layer = _read_yaml(following, path)
        layers.append(layer)
        following = _base_of(layer, following)
    values = layers.pop()
    for layer in reversed(layers):
        values = _lay_over(values, layer)
    for override in overrides:
        _override(values, override)
    return values


def _read_yaml(path: Path, root: Path) -> dict[str, Any]:
    where = f"{path}" if path == root else f"{root}: base: {path}"
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError(f"{where}: cannot read the configuration ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: not a mapping of sections; see the configurations in recipes/")
    return values


def _base_of(values: dict[str, Any], path: Path) -> Path | None:
    if "base" not in values:
        return None
    base = values.pop("base")
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base: expected the path of another configuration, found {base!r}")
    return path.parent / base


def _lay_over(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **layer}
    for key in base.keys() & layer.keys():
        old, new = base[key], layer[key]
        if isinstance(old, dict) and isinstance(new, dict) and _name(key, new, _name(key, old)) == _name(key, old):
            merged[key] = _lay_over(old, new)
    return merged


def _name(section: str, values: Mapping[str, Any], default: object = None) -> object:
    """Return the name of the part that a section configures."""
    return values.get("name", default or _DEFAULT_NAMES.get(section))


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


def _explain(root: type, error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    kind, message = first["type"], first["msg"].removeprefix("Value error, ")
    key = ".".join(location)
    if kind == "unknown_name":
        return f"{key}: {message}"
    if kind != "unexpected_keyword_argument":
        return f"{key}: {message}, found {first['input']!r}" if key else message
    known = [field.name for field in fields(section_class(root, location[:-1], values))]
    near = get_close_matches(location[-1], known, n=1, cutoff=0)
    return f"unknown key {key}; the nearest one is {'.'.join([*location[:-1], *near])}"
