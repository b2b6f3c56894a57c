"""Cells of ABX, and their average with any weights of the speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

# Values that an average holds at a time: a draw of the speakers needs one for each pair of phones and speaker.
AT_A_TIME = 4_000_000


@dataclass(frozen=True, kw_only=True)
class AbxCells:
    """Error rates of the C cells of ABX: pairs of phones in a context, of one speaker, compared with X of a speaker.

    Attributes
    ----------
    pairs
        The ordered pair of phones of each cell, any hashable values.
    speakers
        The speaker of A and B of each.
    of_x
        The speaker of X of each: within speakers the same.
    errors
        Shape (C,), in %.
    """

    pairs: Sequence[tuple[str, str]]
    speakers: Sequence[str]
    of_x: Sequence[str]
    errors: NDArray[np.float64]

    def error_rates(self, weights: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the error rate where each speaker counts as often as given, for R weightings at once.

        The average is that of ABX: over contexts and speakers of X, then over speakers, then over pairs of phones. A
        pair of phones of which no cell is left does not count. With weights of 1 this is the error rate of the data.

        Parameters
        ----------
        weights
            Of each speaker, shape (R,), not negative.

        Returns
        -------
        rates
            Shape (R,), in %; NaN where the speakers that are left have nothing to compare.
        """
        names, of_x = _numbered(self.of_x)
        weight = np.stack([weights[name] for name in names])
        groups, group = _numbered(list(zip(self.pairs, self.speakers, strict=True)))
        owners = np.stack([weights[speaker] for _, speaker in groups])
        pairs, pair = _numbered([pair for pair, _ in groups])
        shape = len(groups), len(names)
        sums = coo_array((self.errors, (group, of_x)), shape=shape).tocsr()
        counts = coo_array((np.ones_like(self.errors), (group, of_x)), shape=shape).tocsr()
        by_pair = coo_array((np.ones(len(groups)), (pair, np.arange(len(groups)))), shape=(len(pairs), len(groups)))
        step = max(1, AT_A_TIME // len(groups))

        def of_part(w: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
            compared = counts @ w
            own = own * (compared > 0)
            of_pair = by_pair @ own
            means = _quotient(by_pair @ (_quotient(sums @ w, compared) * own), of_pair)
            return _quotient(means.sum(axis=0), (of_pair > 0).sum(axis=0), np.nan)

        starts = range(0, weight.shape[1], step)
        return np.concatenate([of_part(weight[:, i : i + step], owners[:, i : i + step]) for i in starts])


def _numbered[T](values: Sequence[T]) -> tuple[list[T], NDArray[np.int64]]:
    """Return the distinct values in the order of their first, and the number of each value among them."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return list(numbers), np.fromiter(map(numbers.__getitem__, values), dtype=np.int64, count=len(values))


def _quotient(
    above: NDArray[np.float64], below: NDArray[np.floating | np.integer], otherwise: float = 0.0
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.divide(above, below, out=np.full(above.shape, otherwise), where=below > 0)
    return found
