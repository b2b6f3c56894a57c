"""A configuration's section whose class the registry knows by the section's `name`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from sqspeech.errors import ConfigError
from sqspeech.registry import Registry


@dataclass(frozen=True)
class Registered:
    """Annotation of a field of a pydantic dataclass: the value is of a class that `registry` knows.

    >>> quantizer: Annotated[QuantizerConfig, Registered(QUANTIZERS, "gaussian_sq")]

    Plain values become an instance of the configuration class that their key `name` chooses, `default` without it.
    """

    registry: Registry[Any]
    default: str

    def name_of(self, values: Mapping[str, Any]) -> str:
        """Return the name that plain values choose."""
        return str(values.get("name", self.default))

    def class_of(self, values: Mapping[str, Any]) -> type:
        """Return the configuration class that plain values choose; raises ConfigError."""
        return self.registry.config(self.name_of(values))

    def build(self) -> Any:
        """Return the configuration of the default name."""
        return self.registry.config(self.default)()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, dict):
            self._check_instance(value)
            return value
        try:
            found = self.class_of(value)
        except ConfigError as error:
            raise _at("name", str(error), self.name_of(value)) from None
        # JSON, because strict Python mode would refuse lists for tuples.
        return TypeAdapter(found).validate_json(json.dumps(value), strict=True)

    def _check_instance(self, value: Any) -> None:
        try:
            self.registry.of(value)
        except ConfigError:
            raise PydanticCustomError("section", "not a mapping of keys to values") from None


def section_class(root: type, path: list[str], values: Any) -> type:
    """Return the configuration class of the section `path` below the class `root` that has these plain values."""
    for section in path:
        kind = get_type_hints(root, include_extras=True)[section]
        values = values.get(section, {})
        marks = [mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, Registered)]
        root = marks[0].class_of(values) if marks else kind
    return root


def _at(key: str, message: str, found: Any) -> ValidationError:
    """Return an error of one key of a section."""
    error = PydanticCustomError("unknown_name", "{message}", {"message": message})
    return ValidationError.from_exception_data("section", [{"type": error, "loc": (key,), "input": found}])
