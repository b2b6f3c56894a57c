"""Results of a comparison's runs: one table as Markdown and CSV, and every run."""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.compare.curves import Curves, read_curves
from benchmarks.compare.run import Run
from benchmarks.compare.table import Model

LAST_VALIDATIONS = 5
ABSENT = "—"


class Column(NamedTuple):
    """A measure: its key in metrics.json, its title, and the decimals it is printed with."""

    key: str
    title: str
    decimals: int


COLUMNS = (
    Column("mse_db2", "MSE test (dB²)", 2),
    Column("dev_mse_db2", "MSE dev (dB²)", 2),
    Column("perplexity", "perplexity", 1),
    Column("active_codes", "active codes", 1),
    Column("bitrate", "bitrate (bit/s)", 1),
    Column("abx_within", "ABX within (%)", 2),
    Column("abx_across", "ABX across (%)", 2),
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run with its log; `metrics` is empty until it is done, and then holds `dev_mse_db2` too."""

    run: Run
    curves: Curves
    metrics: dict[str, Any]


def read_results(runs: Sequence[Run]) -> dict[str, list[Result]]:
    """Return the results by the model's name: of all runs whose training has begun, done or not."""
    results: dict[str, list[Result]] = {run.model.name: [] for run in runs}
    for run in runs:
        if run.has_begun():
            curves = read_curves(run.folder / "metrics.jsonl")
            metrics = run.metrics() | {"dev_mse_db2": dev_mse_db2(curves)} if run.is_done() else {}
            results[run.model.name].append(Result(run=run, curves=curves, metrics=metrics))
    return results


def dev_mse_db2(curves: Curves) -> float:
    """Return the mean dev MSE of a run's last validations: a single one jumps by some dB²."""
    last = sorted(curves["dev_mse_db2"].items())[-LAST_VALIDATIONS:]
    return statistics.mean(value for _, value in last)


def mean_and_sd(results: Sequence[Result], key: str) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation over the runs that have a figure; None where there is none."""
    values = [result.metrics[key] for result in results if key in result.metrics]
    return (
        statistics.mean(values) if values else None,
        statistics.stdev(values) if len(values) > 1 else None,
    )


def markdown(runs: Sequence[Run], results: dict[str, list[Result]]) -> str:
    """Return the table, a row a model, with its notes; a figure that a model has not is a dash."""
    rows = [
        ["model", "seeds", *(column.title for column in COLUMNS)],
        ["---"] * (2 + len(COLUMNS)),
        *(_row(model, len(seeds), results[model.name]) for model, seeds in _by_model(runs)),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = _notes([result for of_model in results.values() for result in of_model])
    others = sum(run.checkpoint.exists() and not run.has_begun() for run in runs)
    notes += [f"{others} runs of another configuration are left out."] * bool(others)
    return f"{table}\n\n{' '.join(notes)}\n"


def write_csv(folder: Path, results: dict[str, list[Result]]) -> None:
    """Write table.csv, a row a model with means and standard deviations, and runs.csv, a row a run."""
    done = {name: [r for r in of_model if r.metrics] for name, of_model in results.items()}
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "seeds", *(f"{c.key}_{part}" for c in COLUMNS for part in ("mean", "sd"))])
        for name, of_model in done.items():
            figures = (mean_and_sd(of_model, column.key) for column in COLUMNS)
            writer.writerow([name, len(of_model), *(value for pair in figures for value in pair)])
    with (folder / "runs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "seed", *(column.key for column in COLUMNS)])
        for name, of_model in done.items():
            for result in of_model:
                writer.writerow([name, result.run.seed, *(result.metrics.get(c.key) for c in COLUMNS)])


def _by_model(runs: Sequence[Run]) -> list[tuple[Model, list[int]]]:
    seeds: dict[str, tuple[Model, list[int]]] = {}
    for run in runs:
        seeds.setdefault(run.model.name, (run.model, []))[1].append(run.seed)
    return list(seeds.values())


def _row(model: Model, planned: int, results: Sequence[Result]) -> list[str]:
    done = sum(bool(result.metrics) for result in results)
    seeds = str(done) if done == planned else f"{done} of {planned}"
    return [model.label, seeds, *(_cell(column, *mean_and_sd(results, column.key)) for column in COLUMNS)]


def _cell(column: Column, mean: float | None, sd: float | None) -> str:
    if mean is None:
        return ABSENT
    spread = ABSENT if sd is None else f"{sd:.{column.decimals}f}"
    return f"{mean:.{column.decimals}f} ± {spread}"


def _notes(results: Sequence[Result]) -> list[str]:
    notes = [
        "Mean ± standard deviation over seeds.",
        f"MSE dev: of each run the mean over its last {LAST_VALIDATIONS} validations.",
    ]
    metrics = {key: value for result in results for key, value in result.metrics.items()}
    if "abx_within_mfcc" in metrics:
        within, across = metrics["abx_within_mfcc"], metrics["abx_across_mfcc"]
        notes.append(f"MFCC on the same items: ABX within {within:.2f} %, across {across:.2f} %.")
    if "feature_variance_db2" in metrics:
        variance = metrics["feature_variance_db2"]
        notes.append(f"The test features' variance about their mean per band: {variance:.2f} dB².")
    return notes
