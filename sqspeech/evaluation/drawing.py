"""Style of the pictures of an evaluation, and their files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sqspeech.atomic import atomic_path

INK, GRID = "#4a5361", "#e4e7ec"
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

# Of systems in turn, with the ten colours: seven times ten systems look different.
MARKERS = "os^Dv*P"


def look(number: int) -> dict[str, Any]:
    """Return the marker and the colour of the system of a number."""
    return {"marker": MARKERS[number % len(MARKERS)], "color": f"C{number % 10}"}


@contextmanager
def figure_file(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Yield a figure of `size` in inches, and write it to a PNG file."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=150)
