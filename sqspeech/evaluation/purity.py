"""Purities and mutual information of units and phones: the measures that HuBERT's units were judged by.

Of the joint distribution p(phone, unit) over steps, after Hsu et al., "HuBERT: Self-Supervised Speech
Representation Learning by Masked Prediction of Hidden Units", 2021, arXiv 2106.07447. More units raise the
phone purity and PNMI and lower the cluster purity; few steps raise all three.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.evaluation.alignment import Alignment
from sqspeech.evaluation.codebook import entropy
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class PhoneCounts:
    """Counts of the steps on which each of P phones and each of K units fall together.

    Attributes
    ----------
    phones
        The P labels, sorted.
    counts
        Shape (P, K).
    unaligned
        The utterances that no alignment is known of.
    unlabelled
        Steps of the other utterances at whose centre there is no phone; like the unaligned, they do not count.
    """

    phones: tuple[str, ...]
    counts: NDArray[np.int64]
    unaligned: tuple[str, ...]
    unlabelled: int


def count_phones(units: UnitSet, alignments: Mapping[str, Alignment]) -> PhoneCounts:
    """Count the phones at the centres of the steps of each unit.

    Raises
    ------
    DataError
        Fewer than two phones fall on the units.
    """
    pairs: Counter[tuple[str | None, int]] = Counter()
    for utterance in units:
        if utterance in alignments:
            codes = units[utterance].codes
            phones_at = alignments[utterance].at(units.info.centres(len(codes)))
            pairs.update(zip(phones_at, codes.tolist(), strict=True))
    phones = sorted({phone for phone, _ in pairs if phone is not None})
    if len(phones) < 2:
        raise DataError(
            f"{len(phones)} phones fall on the units' steps, and it takes two; "
            "are the alignment's utterances those of the units, and its times in seconds?"
        )
    rows = {phone: row for row, phone in enumerate(phones)}
    counts = np.zeros((len(phones), units.info.codebook_size), dtype=np.int64)
    for (phone, code), number in pairs.items():
        if phone is not None:
            counts[rows[phone], code] = number
    return PhoneCounts(
        phones=tuple(phones),
        counts=counts,
        unaligned=tuple(utterance for utterance in units if utterance not in alignments),
        unlabelled=pairs.total() - int(counts.sum()),
    )


def phone_purity(counts: NDArray[np.int64]) -> float:
    """Return the share of steps whose phone is the commonest one of their unit: sum over units of max p(phone, unit).

    The accuracy of guessing the phone by the unit, in (0, 1], of the counts (P, K).
    """
    return float(counts.max(axis=0).sum() / counts.sum())


def cluster_purity(counts: NDArray[np.int64]) -> float:
    """Return the share of steps whose unit is the commonest one of their phone: sum over phones of max p(phone, unit).

    The accuracy of guessing the unit by the phone, in (0, 1], of the counts (P, K).
    """
    return float(counts.max(axis=1).sum() / counts.sum())


def pnmi(counts: NDArray[np.int64]) -> float:
    """Return the phone-normalised mutual information I(phone; unit) / H(phone) of the counts (P, K).

    The share of the uncertainty about the phone that the unit takes away: 0 if the two are independent, 1 if
    the unit tells the phone. I = H(phone) + H(unit) - H(phone, unit).
    """
    of_phones, of_units = entropy(counts.sum(axis=1)), entropy(counts.sum(axis=0))
    return (of_phones + of_units - entropy(counts)) / of_phones
