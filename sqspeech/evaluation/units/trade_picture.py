"""Scatter plot of the error rates of units over their bitrate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from sqspeech.evaluation.drawing import INK, figure_file
from sqspeech.evaluation.metrics.abx_of_units import REPRESENTATIONS
from sqspeech.evaluation.units.table import BASELINES

LINES = ("--", ":", "-")


def draw_trade(path: Path, metrics: Mapping[str, Any]) -> None:
    """Draw ABX across speakers, where it was measured, and speaker accuracy over the bitrate, a point for each system.

    ABX is that of the first representation in `REPRESENTATIONS` that all systems have. Lines show the baselines, which
    have no bitrate. Without ABX and speakers no file is written.

    Parameters
    ----------
    path
        The PNG file to write.
    metrics
        Of `sqspeech.evaluation.units.evaluate.evaluate_units`.
    """
    systems, baselines = metrics["systems"], metrics["baselines"]
    kind = next((kind for kind in REPRESENTATIONS if all(f"abx_{kind}" in s for s in systems.values())), "")
    bitrates = [system["bitrate"] for system in systems.values()]
    chance = metrics["speaker_chance"]
    panels = bool(kind) + (chance is not None)
    if not panels:
        return
    with figure_file(path, (4.6 * panels, 4.4)) as figure:
        all_axes = list(figure.subplots(1, panels, squeeze=False)[0])
        drawn: list[Line2D] = []
        if kind:
            axes = all_axes.pop(0)
            points = [system[f"abx_{kind}"]["across"] for system in systems.values()]
            drawn = _panel(axes, bitrates, points, [baselines[name]["abx"]["across"] for name in BASELINES])
            name = REPRESENTATIONS[kind].name
            axes.set(ylabel=f"ABX error across speakers, {name} (%)", title="Phone discriminability")
        for axes in all_axes:
            lines = [*(baselines[name]["speaker_accuracy"] for name in BASELINES), chance]
            drawn = _panel(axes, bitrates, [system["speaker_accuracy"] for system in systems.values()], lines)
            axes.set(ylabel="speakers recognised (%)", title="Speaker leakage")
        figure.legend(
            drawn, [*systems, *BASELINES.values(), "chance"][: len(drawn)], loc="outside lower center", ncols=4
        )
        figure.suptitle("Lower is better on every axis", fontsize=8)


def _panel(axes: Axes, bitrates: Sequence[float], points: Sequence[float], lines: Sequence[float]) -> list[Line2D]:
    """Draw a point for each system, over its bitrate, and lines across the panel; return them all."""
    drawn = [
        *(
            axes.plot(*point, "o", color=f"C{number}", zorder=3)[0]
            for number, point in enumerate(zip(bitrates, points, strict=True))
        ),
        *(axes.axhline(height, color=INK, linestyle=style) for height, style in zip(lines, LINES, strict=False)),
    ]
    axes.set(xlabel="bitrate (bit/s)", xlim=(0, 1.15 * max(*bitrates, 1)), ylim=(0, 1.05 * max(*points, *lines, 1)))
    axes.grid(visible=True)
    return drawn
