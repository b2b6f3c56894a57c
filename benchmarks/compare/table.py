"""A table of models, read from YAML."""

from pathlib import Path

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from benchmarks.compare.configuration import Config, TableError, read_yaml

_STRICT = ConfigDict(extra="forbid", validate_by_name=True)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Model:
    """A row: its folder's `name`, its `label`, the `family` it is drawn with, and what it changes in the base.

    In `changes` (`set` in YAML) a key `section.key` replaces a value and a key `section` the whole section,
    which is how a model takes a quantizer with other keys.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    label: str
    family: str
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)
    changes: Config = Field(default_factory=dict, alias="set")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Table:
    """The configuration that all models start from (a path beside the table), and the models."""

    base: str
    seeds: tuple[int, ...] = Field(min_length=1)
    models: tuple[Model, ...] = Field(min_length=1)


def read_table(path: Path) -> Table:
    """Read a table; raise TableError where it is missing or malformed."""
    try:
        table = TypeAdapter(Table).validate_python(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise TableError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    names = [model.name for model in table.models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"{path}: two models are named {twice[0]}; a name is a folder")
    return table
