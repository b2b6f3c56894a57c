"""The page of the configuration, from the classes of the registered tasks and parts."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from sqspeech.registered_config import Registered
from sqspeech.training.tasks.base import DEFAULT, TASKS

INTRODUCTION = """# Configuration

An experiment is one YAML file of sections; a key that is left out has its default. `base: other.yaml` lays the file
over another: a key replaces that of the base. `--set section.key=value` comes last. An unknown key is refused, with
the nearest one. Where a section has several parts, its `name` chooses one; `task: NAME` at the top chooses what is
trained, `sqvae` if it is left out.
"""
# Types of keys that are sections themselves.
SECTIONS = {"QuantizerConfig": "a section"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def page() -> str:
    """Return the page in Markdown."""
    tasks = sorted(TASKS.names(), key=lambda name: name != DEFAULT)
    return "\n".join([INTRODUCTION, *(line for name in tasks for line in _task(name))])


def _task(name: str) -> Iterator[str]:
    for section, field in TASKS.config(name).__pydantic_fields__.items():
        title = section if name == DEFAULT else f"task {name}: {section}"
        marks = [mark for mark in field.metadata if isinstance(mark, Registered)]
        if marks:
            for part in sorted(marks[0].registry.names(), key=lambda part: part != marks[0].default):
                yield from _section(f"{title}: {part}", marks[0].registry.config(part))
        elif hasattr(field.annotation, "__pydantic_fields__"):
            yield from _section(title, field.annotation)


def _section(title: str, config: Any) -> Iterator[str]:
    yield f"## {title}\n\n{_dedent(config.__doc__)}\n"
    yield "| key | value | default |\n| --- | --- | --- |"
    fields = config.__pydantic_fields__.items()
    yield from (f"| `{key}` | {_values(field)} | `{_default(field)}` |" for key, field in fields)
    yield ""


def _values(field: Any) -> str:
    annotation = getattr(field.annotation, "__value__", field.annotation)
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    kind = f"list of {arguments[0].__name__}" if arguments else SECTIONS.get(annotation.__name__, annotation.__name__)
    bounds = [(sign, getattr(mark, key, None)) for mark in field.metadata for key, sign in SIGNS.items()]
    return " ".join([kind, *(f"{sign} {bound}" for sign, bound in bounds if bound is not None)])


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(getattr(value, "name", value))


def _dedent(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())
