"""Heat map of p(phone | unit)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from sqspeech.evaluation.drawing import figure_file
from sqspeech.evaluation.metrics.purity import PhoneCounts

# Phones of a smaller share of the steps are too few to show a pattern.
LEAST_SHARE = 0.002


def draw_phones(path: Path, phones: PhoneCounts, title: str) -> None:
    """Draw p(phone | unit) as a heat map.

    Phones with similar units are neighbours, and units are sorted by their most frequent phone, the purest first; a
    diagonal shows units that are phones. Unused units and rare phones are left out, and counted.

    Parameters
    ----------
    path
        The PNG file to write.
    phones
        Of `count_phones`.
    title
        The system that made the units.
    """
    rows, columns = seriation(phones.counts)
    share = phones.counts[:, columns] / phones.counts[:, columns].sum(axis=0)
    with figure_file(path, (10, 1.2 + 0.16 * len(rows))) as figure:
        axes = figure.subplots()
        image = axes.imshow(share[rows], aspect="auto", cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set_yticks(range(len(rows)), [phones.phones[row] for row in rows], fontsize=7)
        unused, rare = phones.counts.shape[1] - len(columns), len(phones.phones) - len(rows)
        axes.set(
            xlabel=f"units by their most frequent phone ({unused} unused ones left out)",
            ylabel=f"phones ({rare} rare ones left out)" if rare else "phones",
            title=title,
            xticks=[],
        )
        figure.colorbar(image, label="p(phone | unit)", pad=0.01).outline.set_visible(False)


def seriation(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of the phones (rows) and of the units (columns) of counts (P, K) in the picture.

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
