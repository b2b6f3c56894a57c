"""Table of an evaluation of units: a row for each figure, a column for each system and baseline."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS

BASELINES = {"mfcc": "MFCC", "log_mel": "log-mel"}


@dataclass(frozen=True, kw_only=True)
class FilledRow:
    """Row of the table with its cells as text, "" where there is no value: the systems', then the baselines'."""

    name: str
    cells: tuple[str, ...]
    better: str


def filled_rows(metrics: Mapping[str, Any]) -> Iterator[FilledRow]:
    """Yield the rows of all registered metrics that have a value for some system.

    Parameters
    ----------
    metrics
        Of `sqspeech.evaluation.units.evaluate.evaluate_units`.
    """
    systems, baselines = metrics["systems"].values(), [metrics["baselines"][name] for name in BASELINES]
    for row in (row for name in UNIT_METRICS.names() for row in UNIT_METRICS[name].rows):
        cells = tuple(_shown(system, row.keys) for system in systems)
        if any(cells):
            cells += tuple(_shown(baseline, row.baseline) if row.baseline else "" for baseline in baselines)
            yield FilledRow(name=row.name, cells=cells, better=row.better.format_map(metrics))


def unit_table(metrics: Mapping[str, Any]) -> str:
    """Return the rows of `filled_rows` as a table for a terminal, with the notes below."""
    systems = metrics["systems"]
    table = Table(Column("measure", no_wrap=True), *systems, *BASELINES.values(), Column("better", no_wrap=True))
    for row in filled_rows(metrics):
        table.add_row(row.name, *row.cells, row.better)
    text = io.StringIO()
    Console(file=text, width=118 + 12 * len(systems)).print(table)
    return "\n".join([text.getvalue().rstrip(), *metrics["notes"]])


def _shown(values: Any, keys: tuple[str, ...]) -> str:
    """Return the value that the keys lead to, and "" where there is none."""
    for key in keys:
        values = values.get(key, {})
    if isinstance(values, list):
        return " ".join(_shown(value, ()) for value in values)
    return f"{values:.4g}" if isinstance(values, float) else str(values or "")
