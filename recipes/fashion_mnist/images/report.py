"""Tabulate and draw what is done of a table: `python -m images.report TABLE DATA EXP`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from data_prep.command import run
from images.image_set import load_images
from images.model import load_model
from images.pictures import draw_annealing, draw_rows, draw_sweep
from images.results import COLUMNS, Result, Row, as_csv, markdown, read_results
from images.table import read_runs, read_table
from sqspeech.atomic import write_text
from sqspeech.errors import DataError

# Test images in the picture of reconstructions.
SHOWN = 16


def write_report(table: Path, data: Path, exp: Path) -> list[Path]:
    """Write table.md, runs.csv and the pictures of what is done, and return the files.

    A table in which a key varies has its sweep, another one reconstructions and the annealing.

    Raises
    ------
    ConfigError, CheckpointError, DataError
        The table, a model or the images cannot be read.
    DataError
        No run is done.
    """
    vary, results = read_table(table).vary, read_results(read_runs(table, exp))
    if not results:
        raise DataError(f"{exp}: no run of {table} is done; run `python -m images.runs {table} {data} {exp}`")
    paths = [exp / name for name in ("table.md", "runs.csv")]
    write_text(paths[0], markdown(results, vary))
    write_text(paths[1], as_csv(results))
    if vary:
        draw_sweep(exp / "sweep.png", results, vary, _swept(results))
        return [*paths, exp / "sweep.png"]
    draw_annealing(exp / "annealing.png", results)
    draw_rows(exp / "reconstructions.png", _reconstructions(results, data))
    return [*paths, exp / "annealing.png", exp / "reconstructions.png"]


def _swept(results: Mapping[Row, Sequence[Result]]) -> dict[str, str]:
    measures = next(iter(results.values()))[0].measures
    return {c.key: c.heading for c in COLUMNS[:4] if c.key in measures}


def _reconstructions(results: Mapping[Row, Sequence[Result]], data: Path) -> dict[str, torch.Tensor]:
    """Return the first test images, and what the first seed of each model makes of them."""
    rows: dict[str, torch.Tensor] = {}
    for (label, _), (first, *_) in results.items():
        model = load_model(first.run.checkpoint, torch.device("cpu"))
        images = load_images(data / "test.npz", model.config.images.resize)[:SHOWN]
        with torch.inference_mode():
            rows.setdefault("original", model.target.original(images))
            rows[label] = model.target.picture(model.reconstruct(model.quantize(images).z))
    return rows


def main(
    table: Annotated[Path, typer.Argument(help="The table that images.runs ran.")],
    data: Annotated[Path, typer.Argument(help="The folder that images.prepare wrote.")],
    exp: Annotated[Path, typer.Argument(help="The folder that images.runs wrote; the report goes there.")],
) -> None:
    """Tabulate and draw what is done of a table."""
    paths = write_report(table, data, exp)
    print(f"{paths[0].read_text(encoding='utf-8')}\n{exp}: {', '.join(path.name for path in paths)}")


if __name__ == "__main__":
    run(main)
