"""Pictures of the report: curves as SVG for a light and a dark page, spectrograms as PNG."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from sqspeech.report.embed import data_uri
from sqspeech.report.experiment import Curves
from sqspeech.report.panels import Panel

COLOUR_MAP = "magma"


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of a plot on a light or a dark page."""

    ink: str
    grid: str
    lines: tuple[str, str, str]


LIGHT = Palette(ink="#4a5361", grid="#e4e7ec", lines=("#2a6fb5", "#cf6a12", "#2b8a72"))
DARK = Palette(ink="#b3bcc8", grid="#2e3540", lines=("#6fb1f2", "#f2a35e", "#63c9ad"))


class Picture(NamedTuple):
    """The data: URIs of one drawing for a light and for a dark page."""

    light: str
    dark: str


def panel_picture(panel: Panel, curves: Curves) -> Picture:
    """Draw the curves of a panel over the training steps."""

    def draw(axes: Axes, palette: Palette) -> None:
        for (name, label), colour in zip(panel.series.items(), palette.lines, strict=False):
            points = sorted(curves.get(name, {}).items())
            if points:
                marker = "o" if len(points) < 30 else ""
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
        axes.yaxis.set_major_formatter("{x:g}")
        if panel.log:
            _log_scale(axes)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_xlabel("step")
        if len(axes.lines) > 1:
            axes.legend()

    return _picture(draw, (3.3, 2.1))


def _log_scale(axes: Axes) -> None:
    """Scale the ordinate logarithmically, with plain numbers at a few round values."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    if not (values > 0).all():
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    axes.set_yticks(ticks or [values.min(), values.max()], minor=False)
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")


def usage_picture(usage: list[int] | list[list[int]]) -> Picture:
    """Draw the share of each code in percent, the most frequent first, and a line at equal shares.

    Parameters
    ----------
    usage
        Counts (K,), or (Q, K) of a quantiser of several stages, which has a curve for each.
    """
    counts = np.atleast_2d(np.asarray(usage, dtype=float))
    shares = 100 * np.sort(counts)[:, ::-1] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n_stages, n_codes = counts.shape

    def draw(axes: Axes, palette: Palette) -> None:
        if n_stages == 1:
            axes.stairs(shares[0], fill=True, color=palette.lines[0])
        for stage in range(n_stages if n_stages > 1 else 0):
            colour = palette.lines[0], 1 - 0.8 * stage / n_stages
            axes.stairs(shares[stage], color=colour, baseline=None, label=f"stage {stage + 1}")
        axes.axhline(100 / n_codes, color=palette.lines[1], linestyle="--", label="if equally frequent")
        axes.set(xlabel="codes, most frequent first", ylabel="share of the units (%)", xlim=(0, n_codes))
        axes.legend(loc="upper right")  # where the curves are low; to search for the place takes long

    return _picture(draw, (10.5, 2.5))


def colour_bar(low: float, high: float) -> Picture:
    """Draw the scale in dB that all spectrograms of a page share."""

    def draw(axes: Axes, palette: Palette) -> None:
        scale = ScalarMappable(Normalize(low, high), COLOUR_MAP)
        bar = axes.figure.colorbar(scale, cax=axes, orientation="horizontal", label="log-mel magnitude (dB)")
        bar.outline.set_visible(False)

    return _picture(draw, (4.0, 0.6))


def spectrogram_png(decibels: NDArray[np.float32], low: float, high: float) -> str:
    """Return the data: URI of a (T, M) spectrogram in dB: time to the right, low bands below."""
    buffer = io.BytesIO()
    # A palette makes the file less than half as large as matplotlib's own RGBA.
    indices = 255 * (decibels.T[::-1] - low) / max(high - low, 1e-9)
    image = Image.fromarray(indices.round().astype(np.uint8))
    image.putpalette(colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3].tobytes())
    image.save(buffer, format="png")
    return data_uri("image/png", buffer.getvalue())


def _picture(draw: Callable[[Axes, Palette], None], size: tuple[float, float]) -> Picture:
    return Picture(*(_svg(draw, palette, size) for palette in (LIGHT, DARK)))


def _svg(draw: Callable[[Axes, Palette], None], palette: Palette, size: tuple[float, float]) -> str:
    with mpl.rc_context(_style(palette)):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(), palette)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return data_uri("image/svg+xml", buffer.getvalue())


def _style(palette: Palette) -> dict[Any, Any]:
    ink = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    grid = ("axes.edgecolor", "grid.color", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(ink, palette.ink),
        **dict.fromkeys(grid, palette.grid),
        "font.size": 8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.linewidth": 1.3,
        "lines.markersize": 2.5,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
        "svg.hashsalt": "sqspeech",
    }
