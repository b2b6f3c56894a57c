"""Pictures: images in a grid, measures over a key that varies, and quantities over the steps of training."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator
from torch import Tensor

from images.results import Result, Row
from sqspeech.evaluation.drawing import figure_file

# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
ANNEALING = {
    "log_variance": "log σ², mean",
    "entropy": "entropy of the posterior (nats)",
    "batch_perplexity": "perplexity of a batch",
    "dev_error": "error on dev",
}
# Inches of an image in a grid.
INCH = 0.5


def draw_rows(path: Path, rows: Mapping[str, Float[Tensor, "N C H W"]]) -> None:
    """Draw a row of images for each label."""
    count, longest = len(next(iter(rows.values()))), max(map(len, rows))
    with figure_file(path, (INCH * count + 0.08 * longest, INCH * len(rows))) as figure:
        figure.set_layout_engine("constrained", h_pad=0.0, hspace=0.0)
        for axes, (label, images) in zip(figure.subplots(len(rows), 1, squeeze=False).flat, rows.items(), strict=True):
            _show(axes, np.concatenate(list(_pixels(images)), 1))
            axes.set_anchor("E")
            axes.set_ylabel(label, rotation=0, ha="right", va="center")


def draw_grid(path: Path, images: Float[Tensor, "N C H W"], columns: int) -> None:
    """Draw images row by row."""
    pixels = _pixels(images)
    lines = [np.concatenate(list(pixels[start : start + columns]), 1) for start in range(0, len(pixels), columns)]
    with figure_file(path, (INCH * columns, INCH * len(lines))) as figure:
        _show(figure.subplots(), np.concatenate(lines, 0))


def draw_sweep(path: Path, results: Mapping[Row, Sequence[Result]], key: str, measures: Mapping[str, str]) -> None:
    """Draw measures (names and their headings) over the values of a key: a line of means, a point a seed."""
    labels = list(dict.fromkeys(label for label, _ in results))
    with figure_file(path, (3.6 * len(measures), 3.2)) as figure:
        for axes, (name, heading) in zip(figure.subplots(1, len(measures)), measures.items(), strict=True):
            for label, colour, mark in zip(labels, cycle(COLOURS), cycle(MARKS), strict=False):
                of_model = {value: row for (other, value), row in results.items() if other == label}
                means = [statistics.mean(result.measures[name] for result in row) for row in of_model.values()]
                axes.plot(list(of_model), means, color=colour, label=label)
                points = [(value, result.measures[name]) for value, row in of_model.items() for result in row]
                axes.plot(*zip(*points, strict=True), mark, color=colour, markersize=4)
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({value for _, value in results if value is not None}))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set(xlabel=key, ylabel=heading, ylim=(0, None))
        axes.legend()


def draw_annealing(path: Path, results: Mapping[Row, Sequence[Result]]) -> None:
    """Draw quantities over the steps: the mean over the seeds, and a band from the least to the greatest."""
    with figure_file(path, (7.2, 5.4)) as figure:
        for axes, (name, heading) in zip(figure.subplots(2, 2).flat, ANNEALING.items(), strict=True):
            for (label, _), colour in zip(results, cycle(COLOURS), strict=False):
                series = _series(results[label, _], name)
                if series:
                    axes.plot(list(series), [statistics.mean(v) for v in series.values()], color=colour, label=label)
                    low, high = [min(v) for v in series.values()], [max(v) for v in series.values()]
                    axes.fill_between(list(series), low, high, color=colour, alpha=0.15, lw=0)
            axes.set(xlabel="step", ylabel=heading)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3)


def _series(results: Sequence[Result], name: str) -> dict[int, list[float]]:
    series: dict[int, list[float]] = {}
    for result in results:
        for line in result.run.curves():
            if name in line:
                series.setdefault(int(line["step"]), []).append(line[name])
    return dict(sorted(series.items()))


def _pixels(images: Float[Tensor, "N C H W"]) -> Float[np.ndarray, "N H W C"]:
    """Return pixels with three channels, and a white edge at the right and below."""
    pixels = images.cpu().numpy().transpose(0, 2, 3, 1)
    coloured = np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels
    return np.pad(coloured, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1.0)


def _show(axes: Axes, pixels: Float[np.ndarray, "H W C"]) -> None:
    axes.imshow(pixels, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
