"""The runs of a table that are done, as Markdown and CSV."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from images.table import Run

ABSENT = "—"


class Column(NamedTuple):
    """A measure: its key, its heading, and its digits after the point."""

    key: str
    heading: str
    decimals: int


COLUMNS = (
    Column("mse_1e3", "MSE × 10³", 2),
    Column("pixel_error", "wrong pixels (%)", 2),
    Column("mean_iou", "mean IoU (%)", 2),
    Column("perplexity", "perplexity", 1),
    Column("active_codes", "active codes", 1),
    Column("bits", "bits an image", 1),
    Column("minutes", "minutes", 1),
)


class Result(NamedTuple):
    """A run and what was measured of it."""

    run: Run
    measures: Mapping[str, Any]


type Row = tuple[str, float | None]


def read_results(runs: Sequence[Run]) -> dict[Row, list[Result]]:
    """Return the results of those runs that are done, by label and value."""
    rows: dict[Row, list[Result]] = {}
    for one in runs:
        if measures := one.metrics():
            result = Result(one, {**measures, "minutes": one.minutes()})
            rows.setdefault((one.label, one.value), []).append(result)
    return dict(sorted(rows.items(), key=lambda row: row[0][1] or 0))


def markdown(results: Mapping[Row, Sequence[Result]], vary: str | None) -> str:
    """Return a table of mean ± standard deviation over the seeds; a dash where a model has no such measure."""
    columns = [c for c in COLUMNS if any(c.key in r.measures for row in results.values() for r in row)]
    heads = ["model", *([vary] if vary else []), "seeds", "steps", *(column.heading for column in columns)]
    lines = [heads, ["---"] * len(heads)]
    for (label, value), row in results.items():
        steps = str(row[0].run.config.training.steps)
        cells = [_cell([r.measures[c.key] for r in row if c.key in r.measures], c.decimals) for c in columns]
        lines.append([label, *([f"{value:g}"] if value is not None else []), str(len(row)), steps, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(results: Mapping[Row, Sequence[Result]]) -> str:
    """Return a line for every run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "value", "seed", "steps", *(column.key for column in COLUMNS)])
    for (label, value), row in results.items():
        for result in row:
            seed, steps = result.run.seed, result.run.config.training.steps
            measures = [_rounded(result.measures.get(column.key)) for column in COLUMNS]
            writer.writerow([label, "" if value is None else f"{value:g}", seed, steps, *measures])
    return text.getvalue()


def _cell(values: Sequence[float], decimals: int) -> str:
    if not values:
        return ABSENT
    spread = f"{statistics.stdev(values):.{decimals}f}" if len(values) > 1 else ABSENT
    return f"{statistics.mean(values):.{decimals}f} ± {spread}"


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
