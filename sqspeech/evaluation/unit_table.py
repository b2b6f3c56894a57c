"""The evaluation of units as a table for a terminal: a row a measure, a column a system."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from sqspeech.evaluation.unit_abx import REPRESENTATIONS


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A row: `keys` lead to the value of a system, and `baseline` to that of the baselines if they have one."""

    name: str
    keys: tuple[str, ...]
    baseline: tuple[str, ...] = ()
    better: str


MEASURES = (
    *(
        Measure(
            name=f"ABX {mode}, {representation.name} (%)",
            keys=(f"abx_{kind}", mode),
            baseline=("abx", mode),
            better="lower",
        )
        for mode in ("across", "within")
        for kind, representation in REPRESENTATIONS.items()
    ),
    Measure(name="bitrate (bit/s)", keys=("bitrate",), better="lower, at equal ABX"),
    Measure(name="  of runs with durations", keys=("bitrate_of_timed_runs",), better="lower, at equal ABX"),
    Measure(name="  of runs", keys=("bitrate_of_runs",), better="lower, at equal ABX"),
    Measure(name="units per second", keys=("units_per_second",), better="lower, at equal ABX"),
    Measure(name="runs per second", keys=("runs_per_second",), better="lower, at equal ABX"),
    Measure(name="codebook size", keys=("codebook_size",), better=""),
    Measure(name="active codes", keys=("active_codes",), better="higher"),
    Measure(name="perplexity", keys=("perplexity",), better="higher"),
    Measure(name="phone purity", keys=("phone_purity",), better="higher"),
    Measure(name="cluster purity", keys=("cluster_purity",), better="higher"),
    Measure(name="PNMI", keys=("pnmi",), better="higher"),
    Measure(
        name="speakers recognised (%)",
        keys=("speaker_accuracy",),
        baseline=("speaker_accuracy",),
        better="lower, chance {speaker_chance:.1f}",
    ),
)


def unit_table(metrics: Mapping[str, Any]) -> str:
    """Return the metrics of `sqspeech.evaluation.units.evaluate_units` as a table, and its notes below."""
    systems, baselines = metrics["systems"], metrics["baselines"]
    table = Table(Column("measure", no_wrap=True), *systems, "MFCC", "log-mel", Column("better", no_wrap=True))
    for measure in MEASURES:
        values = list(_values(measure, systems, baselines))
        if any(values[: len(systems)]):
            table.add_row(measure.name, *values, measure.better.format_map(metrics))
    text = io.StringIO()
    Console(file=text, width=118 + 12 * len(systems)).print(table)
    return "\n".join([text.getvalue().rstrip(), *metrics["notes"]])


def _values(measure: Measure, systems: Mapping[str, Any], baselines: Mapping[str, Any]) -> Iterator[str]:
    for system in systems.values():
        yield _shown(system, measure.keys)
    for name in ("mfcc", "log_mel"):
        yield _shown(baselines[name], measure.baseline) if measure.baseline else ""


def _shown(values: Any, keys: tuple[str, ...]) -> str:
    """Return the value that the keys lead to, and "" where there is none."""
    for key in keys:
        values = values.get(key, {})
    return f"{values:.4g}" if isinstance(values, float) else str(values or "")
