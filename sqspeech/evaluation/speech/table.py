"""Tables of an evaluation by judges, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Column, Table

from sqspeech.evaluation.metrics.speech_metric import SPEECH_METRICS
from sqspeech.evaluation.text_table import table_text

# Names of the rows of `words` in metrics.json.
STAGES = {
    "natural": "natural speech",
    "copy": "copy: its own log-mel through the vocoder",
    "latents": "decoded from the encoder's output",
    "posterior_mean": "decoded from the mean of the codewords",
    "codes": "decoded from the codes",
}


def speech_tables(metrics: Mapping[str, Any]) -> str:
    """Return what the judges found, and where words are lost, as far as `metrics` has it; values are mean ± spread."""
    tables = [table for table in (_judges(metrics.get("judges")), _words(metrics.get("words"))) if table]
    return "\n".join(map(table_text, tables))


def _judges(judges: Mapping[str, Any] | None) -> Table | None:
    if not judges:
        return None
    kinds = {name: figures for name, figures in judges.items() if isinstance(figures, dict)}
    table = Table(Column("measure", no_wrap=True), *kinds, Column("better", no_wrap=True))
    for row in (row for name in SPEECH_METRICS.names() for row in SPEECH_METRICS[name].rows):
        cells = [_shown(figures, row.key) for figures in kinds.values()]
        if any(cells):
            table.add_row(row.name, *cells, row.better)
    table.add_row("utterances", *(f"{figures['count']:.0f}" for figures in kinds.values()), "")
    return table


def _words(words: Mapping[str, Mapping[str, float | None]] | None) -> Table | None:
    if not words:
        return None
    table = Table(Column("words after", no_wrap=True), "word error (%)", "character error (%)", "bitrate (bit/s)")
    for kind, figures in words.items():
        table.add_row(_stage(kind), *(_shown(figures, key) for key in ("word_error", "character_error", "bitrate")))
    return table


def _stage(kind: str) -> str:
    count = kind.rpartition("_")[2]
    return STAGES.get(kind) or f"decoded from the first {count} stage{'s' * (count != '1')}"


def _shown(figures: Mapping[str, float | None], key: str) -> str:
    value, spread = figures.get(key), figures.get(f"{key}_std")
    if value is None:
        return ""
    return f"{value:.4g}" if spread is None else f"{value:.3g} ± {spread:.2g}"
