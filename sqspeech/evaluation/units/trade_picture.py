"""Scatter plot of the error rates of units over their bitrate."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sqspeech.evaluation.drawing import INK, figure_file, look
from sqspeech.evaluation.metrics.abx_of_units import REPRESENTATIONS
from sqspeech.evaluation.units.baselines import BASELINES

LINES = ("--", ":", "-")

type Metrics = Mapping[str, Any]


class Measure(NamedTuple):
    """A row of panels: its label, its value of a system and of a baseline, and the chance level of the data."""

    label: str
    of_system: Callable[[Metrics], float]
    of_baseline: Callable[[Metrics], float]
    chance: float | None = None


def draw_trade(path: Path, sets: Mapping[str, Metrics]) -> None:
    """Draw ABX across speakers, where it was measured, and speaker accuracy over the bitrate.

    A system is a marker and, where it has several seeds, these are dots about it, their mean. ABX is that of the first
    representation in `REPRESENTATIONS` that all systems have. Lines show the baselines, which have no bitrate. Several
    sets are side by side; without ABX and speakers no file is written.

    Parameters
    ----------
    path
        The PNG file to write.
    sets
        Of `sqspeech.evaluation.units.evaluate.evaluate_units`, by the name of the test set.
    """
    panels = [(name, metrics, measure) for name, metrics in sets.items() for measure in _measures(metrics)]
    if not panels:
        return
    labels = list(dict.fromkeys(measure.label for *_, measure in panels))
    # A row for each measure and a column for each set; the measures of a single set are side by side.
    rows, columns = (len(labels), len(sets)) if len(sets) > 1 else (1, len(labels))
    with figure_file(path, (4.6 * columns, 3.7 * rows + 0.7)) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        cells = dict(zip([(label, name) for label in labels for name in sets], grid.flat, strict=True))
        drawn: dict[str, Line2D] = {}
        for name, metrics, measure in panels:
            axes = cells.pop((measure.label, name))
            drawn |= _panel(axes, metrics, measure)
            axes.set(xlabel="bitrate (bit/s)", ylabel=measure.label, title=name)
        for axes in cells.values():
            axes.set_visible(False)
        figure.legend(drawn.values(), drawn, loc="outside lower center", ncols=4)
        figure.suptitle("Lower is better on every axis", fontsize=8)


def _measures(metrics: Metrics) -> list[Measure]:
    found: list[Measure] = []
    systems = metrics["systems"].values()
    kind = next((kind for kind in REPRESENTATIONS if all(f"abx_{kind}" in system for system in systems)), None)
    if kind:
        label = f"ABX error across speakers, {REPRESENTATIONS[kind].name} (%)"
        found.append(Measure(label, lambda of: of[f"abx_{kind}"]["across"], lambda of: of["abx"]["across"]))
    if metrics["speaker_chance"] is not None:
        accuracy: Callable[[Metrics], float] = lambda of: of["speaker_accuracy"]  # noqa: E731
        found.append(Measure("speakers recognised (%)", accuracy, accuracy, metrics["speaker_chance"]))
    return found


def _panel(axes: Axes, metrics: Metrics, measure: Measure) -> dict[str, Line2D]:
    """Draw a marker for each system, dots for its seeds, and lines across the panel; return them by name."""
    drawn = {}
    for number, (name, system) in enumerate(metrics["systems"].items()):
        for seed in metrics.get("seeds", {}).get(name, {}).values():
            axes.plot(seed["bitrate"], measure.of_system(seed), **look(number), markersize=3, alpha=0.6)
        (drawn[name],) = axes.plot(system["bitrate"], measure.of_system(system), **look(number), linestyle="", zorder=3)
    heights = {title: measure.of_baseline(metrics["baselines"][name]) for name, title in BASELINES.items()}
    if measure.chance is not None:
        heights["chance"] = measure.chance
    for (name, height), style in zip(heights.items(), LINES, strict=False):
        drawn[name] = axes.axhline(height, color=INK, linestyle=style)
    axes.margins(0.12)
    # From zero: systems of about the same bitrate are drawn so, however far apart their errors are.
    axes.set_xlim(0, 1.12 * max(axes.dataLim.x1, 1))
    axes.grid(visible=True)
    return drawn
