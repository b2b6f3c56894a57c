"""HTML page of an experiment."""

import base64
import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import torch

from sqspeech import __version__
from sqspeech.atomic import write_text
from sqspeech.evaluation.units.table import FilledRow, columns, filled_rows, notes
from sqspeech.report.embed import data_uri, flac_uri
from sqspeech.report.experiment import Curves, read_experiment, read_units
from sqspeech.report.generated import GeneratedSample, read_generated
from sqspeech.report.key_figures import key_figures, other_figures
from sqspeech.report.listening import Cell, Listening, ListeningRow, read_listening
from sqspeech.report.panels import Panel, panels
from sqspeech.report.plots import (
    Picture,
    colour_bar,
    panel_picture,
    spectrogram_png,
    usage_picture,
)
from sqspeech.report.summary import summarise
from sqspeech.report.vocoders import CONVERSION, NATURAL, VocodedCell, VocoderTable, read_vocoders


class PanelView(NamedTuple):
    """A panel with its drawing and the text alternative of the drawing."""

    panel: Panel
    picture: Picture
    alt: str


class CellView(NamedTuple):
    """A cell of the listening table with its role and its data: URIs."""

    cell: Cell
    role: str
    audio: str
    spectrogram: str


class RowView(NamedTuple):
    """A row of the listening table; None is an empty cell."""

    utt_id: str
    cells: list[CellView | None]


class VocodedView(NamedTuple):
    """A cell of the table of vocoders, with the values of the judges."""

    view: CellView
    values: dict[str, str]


class VocoderRowView(NamedTuple):
    """A row of the table of vocoders; None is an empty cell."""

    title: str
    utt_id: str
    cells: list[VocodedView | None]


class SampleView(NamedTuple):
    """A generated recording with its data: URIs."""

    sample: GeneratedSample
    view: CellView


class UnitTable(NamedTuple):
    """A table of `sqspeech evaluate-units`: the test set if it has a name, systems and baselines, rows, and notes."""

    title: str
    columns: list[str]
    rows: list[FilledRow]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class ListeningView:
    """The listening table; all spectrograms share the scale of `bar`."""

    shown: Listening
    rows: list[RowView]
    bar: Picture


def write_report(exp: Path, output: Path) -> str:
    """Write one self-contained HTML page about an experiment, and return its summary for a terminal.

    Parameters
    ----------
    exp
        The experiment directory: metrics.jsonl and, where present, config.yaml, metrics.json, units.json,
        conversion/manifest.tsv, vocoders/manifest.tsv, generated/manifest.tsv, prior/metrics.jsonl, logs/*.log,
        units/kaldi/units.txt and pictures/*.png. The page names the stage that makes an absent part.
    output
        The page, written atomically; it loads no other file.

    Raises
    ------
    DataError
        The directory or its training log is missing or empty, or a part of it cannot be read.
    ConfigError
        config.yaml is not valid.
    SqspeechError
        The page cannot be written.
    """
    experiment = read_experiment(exp)
    listening = read_listening(exp / "conversion" / "manifest.tsv", experiment.features)
    vocoders = read_vocoders(exp / "vocoders" / "manifest.tsv", experiment.features)
    rows = [row.utt_id for row in listening.rows] if listening else []
    script = files(__package__).joinpath("page.js").read_text(encoding="utf-8")
    page = _template().render(
        experiment=experiment,
        rows=rows,
        units=read_units(exp / "units/kaldi/units.txt", rows),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        figures=key_figures(experiment.metrics),
        others=other_figures(experiment.metrics),
        panels=list(_panel_views(experiment.curves)),
        usage=_usage(experiment.metrics),
        unit_tables=list(_unit_tables(experiment.units_metrics)),
        listening=_listening_view(listening) if listening else None,
        vocoders=vocoders,
        vocoder_rows=list(_vocoder_rows(vocoders)) if vocoders else [],
        generated=_generated_views(read_generated(exp / "generated" / "manifest.tsv", experiment.features)),
        prior_panels=list(_panel_views(experiment.prior_curves)),
        pictures={
            path.stem: data_uri("image/png", path.read_bytes()) for path in sorted((exp / "pictures").glob("*.png"))
        },
        versions={"sqspeech": __version__, "torch": torch.__version__, "Python": platform.python_version()},
    )
    write_text(output, page)
    return summarise(experiment, exp, output)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def _panel_views(curves: Curves) -> Iterator[PanelView]:
    for panel in panels(curves):
        yield PanelView(panel, panel_picture(panel, curves), _describe(panel, curves))


def _describe(panel: Panel, curves: Curves) -> str:
    """Return the first and the last value of each curve as text."""
    curve = {label: sorted(curves[name].items()) for name, label in panel.series.items() if name in curves}
    return f"{panel.title} over training steps. " + "; ".join(
        f"{label}: {points[0][1]:.4g} at step {points[0][0]}, {points[-1][1]:.4g} at step {points[-1][0]}"
        for label, points in curve.items()
    )


def _usage(metrics: dict[str, object]) -> Picture | None:
    usage = metrics.get("usage")
    return usage_picture(usage) if isinstance(usage, list) and usage else None


def _unit_tables(metrics: Mapping[str, Any]) -> Iterator[UnitTable]:
    for title, of_set in metrics.get("sets", {"": metrics} if metrics else {}).items():
        yield UnitTable(title, columns(of_set), list(filled_rows(of_set)), notes(of_set))


def _listening_view(shown: Listening) -> ListeningView:
    low, high = _range([cell for row in shown.rows for cell in row.cells])
    return ListeningView(
        shown=shown, rows=[RowView(row.utt_id, _cells(row, low, high)) for row in shown.rows], bar=colour_bar(low, high)
    )


def _vocoder_rows(table: VocoderTable) -> Iterator[VocoderRowView]:
    low, high = _range(table.cells)

    def view(found: VocodedCell | None, role: str) -> VocodedView | None:
        return VocodedView(_cell_view(found.cell, role, low, high), found.values) if found else None

    for row in table.rows:
        cells = [view(found, f"{row.kind}, {name}") for name, found in zip(table.vocoders, row.vocoded, strict=True)]
        title = f"{row.kind} → {row.target}" if row.kind == CONVERSION else row.kind
        yield VocoderRowView(title, row.utt_id, [view(row.natural, NATURAL), *cells])


def _range(cells: Sequence[Cell]) -> tuple[float, float]:
    """Return the least and the greatest level of all cells in dB, 0 without any."""
    levels = [level for cell in cells for level in (float(cell.decibels.min()), float(cell.decibels.max()))]
    return min(levels, default=0.0), max(levels, default=0.0)


def _generated_views(samples: list[GeneratedSample]) -> list[SampleView]:
    low, high = _range([sample.cell for sample in samples])
    return [SampleView(sample, _cell_view(sample.cell, "generated", low, high)) for sample in samples]


def _cells(row: ListeningRow, low: float, high: float) -> list[CellView | None]:
    cells = [row.source, row.reconstruction, *row.conversions]
    roles = ["source", "reconstruction", *("conversion" for _ in row.conversions)]
    return [_cell_view(cell, role, low, high) if cell else None for cell, role in zip(cells, roles, strict=True)]


def _cell_view(cell: Cell, role: str, low: float, high: float) -> CellView:
    audio = flac_uri(cell.samples, cell.sample_rate)
    return CellView(cell, role, audio, spectrogram_png(cell.decibels, low, high))
