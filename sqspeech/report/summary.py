"""Paths of an experiment's results, and its figures, as text for a terminal."""

import io
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sqspeech.report.experiment import Experiment
from sqspeech.report.key_figures import key_figures


def summarise(experiment: Experiment, exp: Path, page: Path) -> str:
    """Return the paths of the page, the converted recordings and the units, and the metrics in one table."""
    paths = {
        "report": page,
        "converted": exp / "conversion",
        "generated": exp / "generated",
        "units": exp / "units/kaldi/units.txt",
        "metrics": exp / "metrics.json",
    }
    lines = [f"{name:<10} {path}" for name, path in paths.items() if path.exists()]
    table = Table("measure", "value", "compare with", "better")
    for value in key_figures(experiment.metrics):
        figure = value.figure
        table.add_row(figure.name, f"{value.shown} {figure.unit}".strip(), value.beside, figure.better)
    text = io.StringIO()
    Console(file=text, width=118).print(table)
    return "\n".join([*lines, text.getvalue().rstrip()] if table.row_count else lines)
