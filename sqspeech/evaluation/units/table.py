"""Tables of an evaluation of units."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Column, Table

from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS
from sqspeech.evaluation.text_table import table_text, with_spread
from sqspeech.evaluation.units.baselines import BASELINES


@dataclass(frozen=True, kw_only=True)
class FilledRow:
    """Row of the table with its cells as text, "" where there is no value: the systems', then the baselines'.

    `keys` are those of `TableRow`, which tell it from the other rows.
    """

    keys: tuple[str, ...]
    name: str
    cells: tuple[str, ...]
    better: str


def columns(metrics: Mapping[str, Any]) -> list[str]:
    """Return the names of the cells of `filled_rows`."""
    return [*metrics["systems"], *BASELINES.values()]


def filled_rows(metrics: Mapping[str, Any]) -> Iterator[FilledRow]:
    """Yield the rows of all registered metrics that have a value for some system.

    A cell is a value; the mean of several seeds has its standard deviation behind a ±, and a difference to a reference
    stands on a line below, with its interval.

    Parameters
    ----------
    metrics
        Of `sqspeech.evaluation.units.evaluate.evaluate_units`.
    """
    baselines = [metrics["baselines"][name] for name in BASELINES]
    for row in (row for name in UNIT_METRICS.names() for row in UNIT_METRICS[name].rows):
        cells = tuple(_of_system(metrics, system, row.keys) for system in metrics["systems"])
        if any(cells):
            cells += tuple(_shown(_value(baseline, row.baseline)) if row.baseline else "" for baseline in baselines)
            yield FilledRow(keys=row.keys, name=row.name, cells=cells, better=row.better.format_map(metrics))


def notes(metrics: Mapping[str, Any]) -> list[str]:
    """Return the notes on the data, and what stands below the values."""
    found = metrics.get("differences")
    if not found:
        return list(metrics["notes"])
    below = (
        f"below a value: its difference to {found['against']} and the 95 % interval of {found['draws']} draws of the "
        f"{metrics['speakers']} speakers"
    )
    none = f"no differences to {found['against']}: they are of ABX, which an item file adds"
    return [*metrics["notes"], below if any(found["systems"].values()) else none]


def unit_table(metrics: Mapping[str, Any]) -> str:
    """Return the rows of `filled_rows` as a table for a terminal, with the notes below."""
    table = Table(Column("measure", no_wrap=True), *columns(metrics), Column("better", no_wrap=True))
    for row in filled_rows(metrics):
        table.add_row(row.name, *row.cells, row.better)
    return "\n".join([table_text(table), *notes(metrics)])


def table_of_sets(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a table with a row for each measure and system and a column for each test set, with the notes below."""
    table = Table(Column("measure", no_wrap=True), "system", *sets, Column("better", no_wrap=True))
    filled = [{row.keys: row for row in filled_rows(metrics)} for metrics in sets.values()]
    names = columns(next(iter(sets.values())))
    for keys in dict.fromkeys(keys for rows in filled for keys in rows):
        found = [rows.get(keys) for rows in filled]
        cells = zip(names, *(row.cells if row else [""] * len(names) for row in found), strict=True)
        first, *others = (of_system for of_system in cells if any(of_system[1:]))
        measures = dict.fromkeys(row.name for row in found if row)
        better = dict.fromkeys(row.better for row in found if row)
        table.add_row(*measures, *first, "\n".join(better))
        for of_system in others:
            table.add_row("", *of_system, "")
        table.add_section()
    return "\n".join(
        [table_text(table), *(f"{name}: {note}" for name, metrics in sets.items() for note in notes(metrics))]
    )


def _of_system(metrics: Mapping[str, Any], system: str, keys: Sequence[str]) -> str:
    sd = _value(metrics.get("sd", {}).get(system, {}), keys)
    difference = _value(metrics.get("differences", {}).get("systems", {}).get(system, {}), keys)
    below = "\n{difference:+.3g} [{low:+.3g}, {high:+.3g}]".format_map(difference) if difference else ""
    return _shown(_value(metrics["systems"][system], keys), sd) + below


def _value(values: Any, keys: Sequence[str]) -> Any:
    """Return the value that the keys lead to, None where there is none."""
    for key in keys:
        values = values.get(key, {})
    return None if values == {} else values


def _shown(value: Any, sd: Any = None) -> str:
    if isinstance(value, list):
        return " ".join(_shown(*pair) for pair in zip(value, sd or [None] * len(value), strict=True))
    return with_spread(value, sd) if isinstance(value, float) else str(value or "")
