"""Figures of a model from the JSON files of an evaluation."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures on one test set.

    Attributes
    ----------
    test_set
        Its name; empty where it has none.
    size
        Of the test set, in words.
    header, rows
        A table.
    values
        Numbers by key, with their names.
    """

    test_set: str
    size: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    values: dict[str, tuple[str, float]]


def read_figures(evaluations: Iterable[tuple[str, Path]], trained: TrainedModel) -> Iterator[Figures]:
    """Yield the figures of a model in files of `sqspeech evaluate` and `evaluate-units`.

    Parameters
    ----------
    evaluations
        The name of the test set, empty where it has none, and the file.
    trained
        The model.

    Raises
    ------
    DataError
        A file cannot be read, is not of these commands, or is of another model.
    """
    for name, path in evaluations:
        metrics = _read(path)
        try:
            if "mse_db2" in metrics:
                yield _of_model(name, path, metrics, trained)
            else:
                sets = metrics.get("sets", {name: metrics})
                yield from (_of_units(each, path, found, trained) for each, found in sets.items())
        except (KeyError, TypeError, AttributeError):
            raise DataError(f"{path}: no file of `sqspeech evaluate` or `evaluate-units`; give one of theirs") from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot read the figures ({error.strerror}); check the path") from None
    except ValueError:
        raise DataError(f"{path}: no JSON; give a file of `sqspeech evaluate` or `evaluate-units`") from None


def _of_model(name: str, path: Path, metrics: dict[str, Any], trained: TrainedModel) -> Figures:
    from sqspeech.report.key_figures import key_figures

    # Files of before do not tell.
    of = metrics.get("checkpoint", trained.digest)
    if of != trained.digest:
        raise DataError(f"{path}: of the checkpoint {of}, not of {trained.digest}; evaluate this one")
    shown = key_figures(metrics)
    return Figures(
        test_set=name,
        size=_size(metrics),
        header=("figure", "value", "", "better"),
        rows=[(f.figure.name, f"{f.shown} {f.figure.unit}".strip(), f.beside, f.figure.better) for f in shown],
        values=_numbers((f.figure.key, _named(f.figure.name, f.figure.unit), f.exact) for f in shown),
    )


def _of_units(name: str, path: Path, metrics: Mapping[str, Any], trained: TrainedModel) -> Figures:
    from sqspeech.evaluation.units.table import columns, filled_rows

    systems = metrics["systems"]
    own = next((system for system in systems if systems[system].get("checkpoint") in trained.same_units), None)
    if own is None:
        raise DataError(f"{path}: has no units of the checkpoint {trained.digest}; evaluate those of this one alone")
    place, others = list(systems).index(own), columns(metrics)[len(systems) :]
    # What stands below a value in its cell is a difference to another system.
    rows = [row for row in filled_rows(metrics) if row.cells[place]]
    named = list(zip(_full_names(row.name for row in rows), rows, strict=True))
    return Figures(
        test_set=name,
        size=_size(metrics),
        header=("measure", "units", *others, "better"),
        rows=[
            (title, row.cells[place].partition("\n")[0], *row.cells[len(systems) :], row.better) for title, row in named
        ],
        values=_numbers(("_".join(row.keys), title, _value(systems[own], row.keys)) for title, row in named),
    )


def _full_names(names: Iterable[str]) -> Iterator[str]:
    """Yield the names of rows; one that is indented belongs to that above."""
    above = ""
    for name in names:
        above = above if name.startswith(" ") else name
        yield name if name == above else f"{above}, {name.strip()}"


def _value(values: Any, keys: Sequence[str]) -> Any:
    return reduce(lambda found, key: found.get(key, {}), keys, values)


def _size(metrics: Mapping[str, Any]) -> str:
    return f"{metrics['utterances']} utterances, {metrics['seconds']:.0f} s"


def _named(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _numbers(values: Iterable[tuple[str, str, Any]]) -> dict[str, tuple[str, float]]:
    return {key: (name, value) for key, name, value in values if isinstance(value, int | float)}
