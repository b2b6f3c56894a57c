"""Curve of word error over bits a second, from what `sqspeech evaluate --judge words` wrote."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from rich.table import Column, Table

from sqspeech.errors import DataError
from sqspeech.evaluation.drawing import INK, figure_file, look
from sqspeech.evaluation.metrics.codebook import entropy
from sqspeech.evaluation.speech.stages import FIRST
from sqspeech.evaluation.text_table import table_text, with_spread


@dataclass(frozen=True, kw_only=True)
class WordPoint:
    """Errors of a recogniser, in %, on speech that was decoded from codes.

    Attributes
    ----------
    stages
        The number of stages of the quantiser that were used.
    bitrate
        In bits per second, the sum over the stages.
    natural
        Its word error on the recordings.
    """

    stages: int
    bitrate: float
    word_error: float
    character_error: float
    natural: float


def read_points(path: Path) -> list[WordPoint]:
    """Read what `sqspeech evaluate --judge words` wrote: a point; with `--where-lost` one for each number of stages.

    Raises
    ------
    DataError
        The file cannot be read, or has no words of reconstructions from codes.
    """
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        return list(_points(metrics))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot read ({error}); give what `sqspeech evaluate` wrote") from None
    except (AttributeError, KeyError, TypeError):
        raise DataError(
            f"{path}: no word error of reconstructions from codes; make it with `sqspeech evaluate --judge words`"
        ) from None


def _points(metrics: Mapping[str, Any]) -> Iterable[WordPoint]:
    judged, usage = metrics["judges"], np.atleast_2d(metrics["usage"])
    bits = sum(float(counts.sum()) * entropy(counts) / log(2) for counts in usage) / metrics["seconds"]
    found = {len(usage): judged["reconstruction"] | {"bitrate_of_stages": bits}}
    # With --where-lost one model has been decoded from its first stages, too.
    words = metrics.get("words", {})
    found |= {int(kind.removeprefix(FIRST)): row for kind, row in words.items() if kind.startswith(FIRST)}
    for stages, row in sorted(found.items()):
        yield WordPoint(
            stages=stages,
            bitrate=row["bitrate_of_stages"],
            word_error=row["word_error"],
            character_error=row["character_error"],
            natural=judged["natural"]["word_error"],
        )


def by_stages(points: Iterable[WordPoint]) -> list[list[WordPoint]]:
    """Return the points of a system by their number of stages, ascending: those of one number are seeds."""
    ordered = sorted(points, key=lambda point: point.stages)
    return [list(seeds) for _, seeds in groupby(ordered, key=lambda point: point.stages)]


def word_table(systems: Mapping[str, Sequence[WordPoint]]) -> str:
    """Return a table with a row for each system and number of stages: the means over the seeds ± standard deviation."""
    table = Table(Column("system", no_wrap=True), "stages", "seeds", "bit/s", "word error (%)", "character error (%)")
    for name, points in systems.items():
        for seeds in by_stages(points):
            values = ([getattr(seed, key) for seed in seeds] for key in ("bitrate", "word_error", "character_error"))
            table.add_row(name, str(seeds[0].stages), str(len(seeds)), *map(_mean, values))
    return table_text(table)


def _mean(values: Sequence[float]) -> str:
    return with_spread(fmean(values), stdev(values) if len(values) > 1 else None)


def draw_word_curve(path: Path, systems: Mapping[str, Sequence[WordPoint]]) -> None:
    """Draw word error over bit/s: a dot for each seed, a marker for their mean, and a line through a system's stages.

    Parameters
    ----------
    path
        The PNG file to write.
    systems
        The points by the name of the system.
    """
    with figure_file(path, (5.6, 4.4)) as figure:
        axes = figure.subplots()
        for number, (name, points) in enumerate(systems.items()):
            means = [
                (fmean(p.bitrate for p in seeds), fmean(p.word_error for p in seeds)) for seeds in by_stages(points)
            ]
            axes.plot(*zip(*sorted(means), strict=True), **look(number), label=name, zorder=3)
            if len(points) > len(means):
                dots = [(point.bitrate, point.word_error) for point in points]
                axes.plot(*zip(*dots, strict=True), **look(number), linestyle="", markersize=3, alpha=0.6)
        natural = fmean(point.natural for points in systems.values() for point in points)
        axes.axhline(natural, color=INK, linestyle="--", label="natural speech")
        axes.set(xlabel="bitrate, sum over stages (bit/s)", ylabel="word error of reconstructions (%)", ylim=(0, None))
        axes.grid(visible=True)
        figure.legend(loc="outside lower center", ncols=4)
