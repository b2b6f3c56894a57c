"""The pictures of an evaluation of units, as PNG: what they pay for what they tell, and which phones they are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from sqspeech.atomic import atomic_path
from sqspeech.evaluation.purity import PhoneCounts
from sqspeech.evaluation.unit_abx import REPRESENTATIONS

INK, GRID = "#4a5361", "#e4e7ec"
BASELINES = {"mfcc": "MFCC", "log_mel": "log-mel"}
LINES = ("--", ":", "-")
STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), GRID),
    "font.size": 9,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 7,
    "legend.frameon": False,
}
# Phones of a smaller share of the steps are too few to see a pattern in.
LEAST_SHARE = 0.002


def draw_trade(path: Path, metrics: Mapping[str, Any]) -> None:
    """Draw ABX across speakers, where it was measured, and speaker accuracy over the bitrate, a point a system.

    ABX is that of the first representation in `REPRESENTATIONS` that all systems have. Lines show the
    baselines, which have no bitrate. Without ABX and speakers there is nothing to draw.

    Parameters
    ----------
    path
        The PNG file to write.
    metrics
        Of `sqspeech.evaluation.units.evaluate_units`.
    """
    systems, baselines = metrics["systems"], metrics["baselines"]
    kind = next((kind for kind in REPRESENTATIONS if all(f"abx_{kind}" in s for s in systems.values())), "")
    bitrates = [system["bitrate"] for system in systems.values()]
    chance = metrics["speaker_chance"]
    panels = bool(kind) + (chance is not None)
    if not panels:
        return
    with _figure(path, (4.6 * panels, 4.4)) as figure:
        all_axes = list(figure.subplots(1, panels, squeeze=False)[0])
        drawn: list[Line2D] = []
        if kind:
            axes = all_axes.pop(0)
            points = [system[f"abx_{kind}"]["across"] for system in systems.values()]
            drawn = _panel(axes, bitrates, points, [baselines[name]["abx"]["across"] for name in BASELINES])
            name = REPRESENTATIONS[kind].name
            axes.set(ylabel=f"ABX error across speakers, {name} (%)", title="What they tell of phones")
        for axes in all_axes:
            lines = [*(baselines[name]["speaker_accuracy"] for name in BASELINES), chance]
            drawn = _panel(axes, bitrates, [system["speaker_accuracy"] for system in systems.values()], lines)
            axes.set(ylabel="speakers recognised (%)", title="What they tell of the speaker")
        figure.legend(
            drawn, [*systems, *BASELINES.values(), "chance"][: len(drawn)], loc="outside lower center", ncols=4
        )
        figure.suptitle("Lower is better on every axis", fontsize=8)


def _panel(axes: Axes, bitrates: Sequence[float], points: Sequence[float], lines: Sequence[float]) -> list[Line2D]:
    """Draw a point a system, over its bitrate, and lines across the panel; return them all."""
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


def draw_phones(path: Path, phones: PhoneCounts, title: str) -> None:
    """Draw p(phone | unit) as a heat map.

    Phones whose units are alike are neighbours, and units stand by the phone that is their commonest, the
    purest first; a diagonal shows units that are phones. Unused units and rare phones are left out, and counted.

    Parameters
    ----------
    path
        The PNG file to write.
    phones
        Of `count_phones`.
    title
        What the units are of.
    """
    rows, columns = seriation(phones.counts)
    share = phones.counts[:, columns] / phones.counts[:, columns].sum(axis=0)
    with _figure(path, (10, 1.2 + 0.16 * len(rows))) as figure:
        axes = figure.subplots()
        image = axes.imshow(share[rows], aspect="auto", cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_yticks(range(len(rows)), [phones.phones[row] for row in rows], fontsize=7)
        unused, rare = phones.counts.shape[1] - len(columns), len(phones.phones) - len(rows)
        axes.set(
            xlabel=f"units by their commonest phone ({unused} unused ones left out)",
            ylabel=f"phones ({rare} rare ones left out)" if rare else "phones",
            title=title,
            xticks=[],
        )
        figure.colorbar(image, label="p(phone | unit)", pad=0.01).outline.set_visible(False)


def seriation(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return in which order to draw the phones (rows) and the units (columns) of counts (P, K).

    The phones follow the leaves of a hierarchical clustering of p(unit | phone) by the Hellinger distance
    (Bar-Joseph et al., "Fast optimal leaf ordering for hierarchical clustering", 2001).
    """
    totals = counts.sum(axis=1)
    kept = np.flatnonzero(totals >= LEAST_SHARE * counts.sum())
    distances = pdist(np.sqrt(counts[kept] / totals[kept, None]))
    order = leaves_list(optimal_leaf_ordering(linkage(distances, "average"), distances)) if len(kept) > 1 else [0]
    rows = kept[order]
    used = np.flatnonzero(counts[rows].sum(axis=0))
    share = counts[np.ix_(rows, used)] / counts[:, used].sum(axis=0)
    return rows, used[np.lexsort((-share.max(axis=0), share.argmax(axis=0)))]


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Yield a figure, and write it."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
