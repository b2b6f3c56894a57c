"""Usage of a codebook over a whole test set."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def usage(codes: Iterable[NDArray[np.integer]], codebook_size: int) -> NDArray[np.int64]:
    """Count how often each codeword is chosen.

    Parameters
    ----------
    codes
        Indices in [0, `codebook_size`), one array of any shape an utterance.
    codebook_size
        K, the number of codewords.

    Returns
    -------
    counts
        Shape (K,).
    """
    counts = np.zeros(codebook_size, dtype=np.int64)
    for indices in codes:
        counts += np.bincount(indices.ravel(), minlength=codebook_size)
    return counts


def perplexity(counts: NDArray[np.integer]) -> float:
    """Return exp(-sum p log p) of the relative frequencies p of the (K,) hard counts.

    It lies in [1, K]: 1 when a single codeword is used, K when all are used alike. It is that of the whole
    test set; the mean of the perplexities of its batches is another, smaller number. NaN without a count.
    """
    return float(np.exp(entropy(counts)))


def active_codes(counts: NDArray[np.integer]) -> int:
    """Return how many of the K codewords are used at least once."""
    return int(np.count_nonzero(counts))


def entropy(counts: NDArray[np.integer]) -> float:
    """Return -sum p log p in nats of the relative frequencies p of the hard counts; NaN without a count."""
    used = counts[counts > 0]
    if not used.size:
        return float("nan")
    p = used / used.sum()
    # log(1 / p), because -log(p) of a single code is -0.0.
    return float((p * np.log(1 / p)).sum())
