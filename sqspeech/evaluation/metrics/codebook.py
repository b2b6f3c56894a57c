"""Usage of a codebook over a whole test set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.symbols import Codes, by_stage
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric


def usage(codes: Iterable[Codes], codebook_size: int) -> NDArray[np.int64]:
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


def usage_by_stage(codes: Sequence[Codes], codebook_size: int) -> NDArray[np.int64]:
    """Return the counts (Q, K) of the codewords of each stage; Q is 1 for codes (L,)."""
    stages = [by_stage(utterance) for utterance in codes]
    columns = range(stages[0].shape[1])
    return np.stack([usage((utterance[:, stage] for utterance in stages), codebook_size) for stage in columns])


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


def codebook_figures(counts: NDArray[np.integer]) -> dict[str, Any]:
    """Return the figures of usage counts (Q, K).

    `perplexity` and `active_codes` are those of the stage, or the means over the stages where there are several, whose
    own are then in `perplexity_by_stage` and `active_codes_by_stage`.
    """
    perplexities, active = [perplexity(stage) for stage in counts], [active_codes(stage) for stage in counts]
    if len(counts) == 1:
        return {"perplexity": perplexities[0], "active_codes": active[0]}
    return {
        "perplexity": float(np.mean(perplexities)),
        "active_codes": float(np.mean(active)),
        "perplexity_by_stage": perplexities,
        "active_codes_by_stage": active,
    }


@UNIT_METRICS.register("codebook")
class Codebook(UnitMetric):
    """Size and usage of the codebooks."""

    rows = (
        TableRow(name="codebook size", keys=("codebook_size",)),
        TableRow(name="active codes", keys=("active_codes",), better="higher"),
        TableRow(name="  by stage", keys=("active_codes_by_stage",), better="higher"),
        TableRow(name="perplexity", keys=("perplexity",), better="higher"),
        TableRow(name="  by stage", keys=("perplexity_by_stage",), better="higher"),
    )

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return K and the figures of the usage (see `codebook_figures`)."""
        units = self.test.systems[name]
        counts = usage_by_stage([utterance.codes for utterance in units.units.values()], units.info.codebook_size)
        return {"codebook_size": units.info.codebook_size, **codebook_figures(counts)}
