"""Configurations as plain values: reading YAML, changing values and sections."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]


class TableError(Exception):
    """A table that cannot be used: one line that names the file, the key and the cause."""


def with_changes(config: Config, changes: Mapping[str, Any]) -> Config:
    """Return a configuration with values (`section.key`) and whole sections (`section`) replaced."""
    config = dict(config)
    for name, value in changes.items():
        section, dot, key = name.partition(".")
        config[section] = {**config.get(section, {}), key: value} if dot else value
    return config


def read_yaml(path: Path) -> Config:
    """Read a YAML mapping; raise TableError where there is none."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise TableError(f"{path}: cannot read ({error.strerror}); check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise TableError(f"{path}: not a mapping; see recipes/compare/conf/models.yaml")
    return values


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as a string; sqspeech, as YAML 1.2, reads a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_override(text: str) -> tuple[str, Any]:
    """Return the key and the YAML value of `section.key=value`; raise TableError where it is malformed."""
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise TableError(f"--set {text}: expected section.key=value, such as training.steps=1000")
    try:
        return key, yaml.load(value, _Loader)
    except yaml.YAMLError:
        raise TableError(f"--set {text}: {value!r} is no YAML value") from None
