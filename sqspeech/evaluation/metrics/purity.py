"""Purities and mutual information of units and phones.

Of the joint distribution p(phone, unit) over steps, after Hsu et al., "HuBERT: Self-Supervised Speech
Representation Learning by Masked Prediction of Hidden Units", 2021, arXiv 2106.07447. More units raise the
phone purity and PNMI and lower the cluster purity; few steps raise all three.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.alignment import Alignment
from sqspeech.evaluation.metrics.codebook import entropy
from sqspeech.evaluation.metrics.symbols import by_stage, symbols
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric, UnitTestData, some_of
from sqspeech.names import distinct, file_name
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class PhoneCounts:
    """Joint counts of P phones and K units over steps.

    Attributes
    ----------
    phones
        The P labels, sorted.
    counts
        Shape (P, K).
    unaligned
        The utterances without an alignment.
    unlabelled
        Steps of the other utterances without a phone at their centre; like the unaligned, they do not count.
    """

    phones: tuple[str, ...]
    counts: NDArray[np.int64]
    unaligned: tuple[str, ...]
    unlabelled: int


def count_phones(units: UnitSet, alignments: Mapping[str, Alignment], *, joint: bool = False) -> PhoneCounts:
    """Count the phones at the centres of the steps of each unit.

    Parameters
    ----------
    units
        With codes (L,) or (L, Q).
    alignments
        By utterance id.
    joint
        The units are the K codes of the first stage; or, if `joint`, the tuples of the codes of all stages that occur.

    Raises
    ------
    DataError
        Fewer than two phones fall on the units.
    """
    pairs: Counter[tuple[str | None, Hashable]] = Counter()
    for utterance in units:
        if utterance in alignments:
            codes = units[utterance].codes
            phones_at = alignments[utterance].at(units.info.centres(len(codes)))
            pairs.update(zip(phones_at, symbols(codes if joint else by_stage(codes)[:, 0]), strict=True))
    labelled = {(phone, unit): number for (phone, unit), number in pairs.items() if phone is not None}
    phones = sorted({phone for phone, _ in labelled})
    if len(phones) < 2:
        raise DataError(
            f"{len(phones)} phones fall on the units' steps, at least two are needed; "
            "are the alignment's utterances those of the units, and its times in seconds?"
        )
    columns = dict.fromkeys(unit for _, unit in labelled) if joint else range(units.info.codebook_size)
    row, column = ({label: number for number, label in enumerate(labels)} for labels in (phones, columns))
    counts = np.zeros((len(row), len(column)), dtype=np.int64)
    for (phone, unit), number in labelled.items():
        counts[row[phone], column[unit]] = number
    return PhoneCounts(
        phones=tuple(phones),
        counts=counts,
        unaligned=tuple(utterance for utterance in units if utterance not in alignments),
        unlabelled=pairs.total() - int(counts.sum()),
    )


def phone_purity(counts: NDArray[np.int64]) -> float:
    """Return the share of steps with the most frequent phone of their unit: sum over units of max p(phone, unit).

    The accuracy of guessing the phone by the unit, in (0, 1], of the counts (P, K).
    """
    return float(counts.max(axis=0).sum() / counts.sum())


def cluster_purity(counts: NDArray[np.int64]) -> float:
    """Return the share of steps with the most frequent unit of their phone: sum over phones of max p(phone, unit).

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


@UNIT_METRICS.register("purity")
class Purity(UnitMetric):
    """Purities and PNMI of the first stage's units, and of the tuples of all stages where there are several.

    The first stage's have at most K units, and so compare with those of another system; the tuples are many, which
    raises the phone purity and PNMI by itself.
    """

    needs = ("alignments",)
    rows = tuple(
        TableRow(name=f"{name}{title}", keys=(f"{key}{suffix}",), better="higher")
        for suffix, title in (("", ""), ("_of_joint", ", all stages"))
        for key, name in (("phone_purity", "phone purity"), ("cluster_purity", "cluster purity"), ("pnmi", "PNMI"))
    )

    def __init__(self, test: UnitTestData) -> None:
        super().__init__(test)
        self._alignments = test.alignments or {}
        self.phones = {name: count_phones(units, self._alignments) for name, units in test.systems.items()}

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return the figures of a system, and the numbers of phones, steps and utterances they are of."""
        units, phones = self.test.systems[name], self.phones[name]
        joint = {}
        if any(utterance.codes.ndim > 1 for utterance in units.units.values()):
            joint = _figures(count_phones(units, self._alignments, joint=True).counts, "_of_joint")
        return {
            **_figures(phones.counts),
            **joint,
            "phones": len(phones.phones),
            "steps_with_a_phone": int(phones.counts.sum()),
            "steps_without_a_phone": phones.unlabelled,
            "utterances_without_alignment": len(phones.unaligned),
        }

    def notes(self) -> list[str]:
        """Return which utterances have no alignment."""
        unaligned = next(iter(self.phones.values())).unaligned
        return [f"not in the purities, as the alignment lacks them: {some_of(unaligned)}"] if unaligned else []

    def draw(self, folder: Path) -> None:
        """Write phones-SYSTEM.png for each system."""
        from sqspeech.evaluation.phone_picture import draw_phones

        forms = distinct(self.phones, lambda name: name.replace("/", "-"))
        for name, phones in self.phones.items():
            draw_phones(folder / file_name(f"phones-{forms[name]}", ".png"), phones, name)


def _figures(counts: NDArray[np.int64], suffix: str = "") -> dict[str, float]:
    found = {"phone_purity": phone_purity(counts), "cluster_purity": cluster_purity(counts), "pnmi": pnmi(counts)}
    return {f"{name}{suffix}": value for name, value in found.items()}
