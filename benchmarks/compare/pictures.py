"""The pictures of a comparison: codebook usage, self-annealing, and perplexity against codebook size."""

import statistics
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from benchmarks.compare.results import Result

# Okabe and Ito's colours, which the colour-blind tell apart, without the yellow that white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", "-.", ":")
INK, FAINT = "#4a5361", "#d5d9df"
PANELS = {
    "log_variance": "Mean log variance of the quantiser",
    "entropy": "Posterior entropy (nats)",
    "batch_perplexity": "Perplexity of the codes of a batch",
    "dev_mse_db2": "MSE on dev (dB²)",
}
Results = dict[str, list[Result]]


def draw_pictures(folder: Path, results: Results) -> list[Path]:
    """Draw what the results allow, as PNG; return the files."""
    begun = {name: of_model for name, of_model in results.items() if of_model}
    used = {name: [r for r in of_model if "usage" in r.metrics] for name, of_model in begun.items()}
    used = {name: of_model for name, of_model in used.items() if of_model}
    with mpl.rc_context(_style()):
        figures = {
            "usage.png": usage_figure(used) if used else None,
            "annealing.png": annealing_figure(begun) if begun else None,
            "codebook_size.png": codebook_size_figure(used),
        }
        paths = []
        for name, figure in figures.items():
            if figure:
                figure.savefig(folder / name, dpi=150)
                paths.append(folder / name)
    return paths


def usage_figure(results: Results) -> Figure:
    """Draw each model's codes, the most frequent first, one line a seed, over the other models in grey."""
    columns = min(3, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(3.2 * columns, 0.5 + 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(results) :]:
        axes.set_visible(False)
    for axes in panels.flat[max(0, len(results) - columns) : len(results)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    for axes, (name, of_model) in zip(panels.flat, results.items(), strict=False):
        for other, of_other in results.items():
            if other != name:
                _draw_usage(axes, of_other, color=FAINT, linewidth=0.8)
        _draw_usage(axes, of_model, color=COLOURS[0])
        perplexity = statistics.mean(result.metrics["perplexity"] for result in of_model)
        axes.set_title(f"{of_model[0].run.model.label}\nperplexity {perplexity:.0f} of {_size(of_model)}")
    _log_ticks(panels[0, 0].yaxis, [10.0**-e for e in range(-2, 5)])
    figure.supxlabel("codes, the most frequent first", fontsize="medium", color=INK)
    figure.supylabel("share of the test units (%)", fontsize="medium", color=INK)
    return figure


def annealing_figure(results: Results) -> Figure:
    """Draw quantities over training: the mean over seeds, and a band from the least to the greatest seed."""
    panels = {key: title for key, title in PANELS.items() if any(_series(of, key) for of in results.values())}
    figure = Figure(figsize=(10, 3.2 * -(-len(panels) // 2) + 0.9), layout="constrained")
    looks = list(zip(results.values(), _looks(results), strict=True))
    grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (key, title) in zip(grid.flat, panels.items(), strict=False):
        for of_model, look in looks:
            _draw_series(axes, _series(of_model, key), look)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if key == "dev_mse_db2":
            axes.set_yscale("log")
            _log_ticks(axes.yaxis, [m * 10.0**e for e in range(4) for m in (1, 1.5, 2, 3, 5, 7)])
    labels = [Line2D([], [], label=of_model[0].run.model.label, **look) for of_model, look in looks]
    figure.legend(handles=labels, loc="outside lower center", ncols=4)
    return figure


def codebook_size_figure(results: Results) -> Figure | None:
    """Draw perplexity against codebook size, a line a family; None where no family has two sizes."""
    families: dict[str, dict[int, list[float]]] = {}
    for of_model in results.values():
        sizes = families.setdefault(of_model[0].run.model.family, {})
        sizes.setdefault(_size(of_model), []).extend(result.metrics["perplexity"] for result in of_model)
    families = {name: sizes for name, sizes in families.items() if len(sizes) > 1}
    if not families:
        return None
    figure = Figure(figsize=(4.8, 3.8), layout="constrained")
    axes = figure.subplots()
    ticks = sorted({size for sizes in families.values() for size in sizes})
    axes.plot(ticks, ticks, color=INK, linestyle=":", label="every code equally often")
    for (name, sizes), colour, style in zip(families.items(), cycle(COLOURS), cycle(STYLES), strict=False):
        ordered = sorted(sizes)
        axes.plot(ordered, [statistics.mean(sizes[k]) for k in ordered], style, color=colour, label=name)
        points = [(k, value) for k in ordered for value in sizes[k]]
        axes.plot(*zip(*points, strict=True), "o", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="codebook size K", ylabel="perplexity on the test set")
    _log_ticks(axes.xaxis, ticks)
    _log_ticks(axes.yaxis, [2.0**e for e in range(14)])
    axes.legend()
    return figure


def _size(results: Sequence[Result]) -> int:
    return len(results[0].metrics["usage"])


def _draw_usage(axes: Axes, results: Sequence[Result], **look: Any) -> None:
    for result in results:
        counts = np.sort(np.asarray(result.metrics["usage"], dtype=float))[::-1]
        shares = 100 * counts[counts > 0] / counts.sum()
        axes.semilogy(np.arange(1, len(shares) + 1), shares, **look)


def _series(results: Sequence[Result], key: str) -> dict[int, list[float]]:
    """Return the values of all seeds by step."""
    series: dict[int, list[float]] = {}
    for result in results:
        for step, value in result.curves.get(key, {}).items():
            series.setdefault(step, []).append(value)
    return dict(sorted(series.items()))


def _draw_series(axes: Axes, series: dict[int, list[float]], look: dict[str, Any]) -> None:
    steps, values = list(series), list(series.values())
    if steps:
        axes.plot(steps, [statistics.mean(v) for v in values], **look)
        axes.fill_between(steps, [*map(min, values)], [*map(max, values)], color=look["color"], alpha=0.15, lw=0)


def _looks(results: Results) -> Iterable[dict[str, Any]]:
    """Yield a colour for every model and a line style for every family."""
    families = list(dict.fromkeys(of_model[0].run.model.family for of_model in results.values()))
    for of_model, colour in zip(results.values(), cycle(COLOURS), strict=False):
        yield {"color": colour, "linestyle": STYLES[families.index(of_model[0].run.model.family) % len(STYLES)]}


def _log_ticks(axis: Any, ticks: Sequence[float]) -> None:
    """Label a logarithmic axis with plain numbers, those of `ticks` in view."""
    low, high = axis.get_view_interval()
    axis.set_ticks([tick for tick in ticks if low <= tick <= high])
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def _style() -> dict[Any, Any]:
    ink = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    return {
        **dict.fromkeys(ink, INK),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), FAINT),
        "grid.color": "#eceef1",
        "font.size": 8.5,
        "axes.titlesize": 8.5,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.linewidth": 1.4,
        "lines.markersize": 4,
        "legend.frameon": False,
    }
