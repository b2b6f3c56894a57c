from collections import Counter
from math import log

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.alignment import Alignment
from sqspeech.evaluation.metrics.purity import cluster_purity, count_phones, phone_purity, pnmi
from sqspeech.units import UnitInfo, Units, UnitSet

# Rows are phones, columns are units; 20 steps.
BY_HAND = np.array([[6, 1, 0], [2, 4, 1], [0, 1, 5]])
INFO = UnitInfo(frame_rate=50.0, offset=0.005, codebook_size=4, checkpoint="x")


def alignment(*phones: tuple[float, float, str]) -> Alignment:
    onsets, offsets, labels = zip(*phones, strict=True)
    return Alignment(onsets=np.array(onsets), offsets=np.array(offsets), labels=labels)


def test_purities_by_hand() -> None:
    assert phone_purity(BY_HAND) == pytest.approx((6 + 4 + 5) / 20)
    skewed = np.array([[6, 5, 4], [0, 0, 5]])
    assert phone_purity(skewed) == pytest.approx((6 + 5 + 5) / 20)
    assert cluster_purity(skewed) == pytest.approx((6 + 5) / 20)


def test_purities_are_the_accuracies_of_guessing() -> None:
    """HuBERT's form: the expectation over units of the probability of the phone that is their commonest."""
    joint = BY_HAND / BY_HAND.sum()
    of_unit = sum(joint[:, k].sum() * (joint[:, k] / joint[:, k].sum()).max() for k in range(3))
    of_phone = sum(joint[p].sum() * (joint[p] / joint[p].sum()).max() for p in range(3))
    assert phone_purity(BY_HAND) == pytest.approx(of_unit)
    assert cluster_purity(BY_HAND) == pytest.approx(of_phone)


def test_pnmi_equals_scikit_learn() -> None:
    phones, units = zip(*(pair for pair in np.ndindex(3, 3) for _ in range(BY_HAND[pair])), strict=True)
    entropy = -sum(n / 20 * log(n / 20) for n in Counter(phones).values())
    assert pnmi(BY_HAND) == pytest.approx(mutual_info_score(phones, units) / entropy)


def test_pnmi_of_a_bijection_and_of_independence() -> None:
    assert pnmi(np.diag([3, 5, 9])[:, [2, 0, 1]]) == pytest.approx(1.0)
    assert pnmi(np.outer([1, 2, 3], [4, 5])) == pytest.approx(0.0, abs=1e-12)
    # Two units a phone still tell the phone, and one unit for two phones of equal frequency tells a third.
    assert pnmi(np.array([[2, 3, 0, 0], [0, 0, 1, 9]])) == pytest.approx(1.0)
    assert pnmi(np.array([[4, 0], [0, 4], [0, 4]])) == pytest.approx((log(3) - 2 / 3 * log(2)) / log(3))


def test_phones_are_counted_at_the_centres_of_the_steps() -> None:
    # Centres at 0.015, 0.035, 0.055, 0.075, 0.095 s.
    units = UnitSet(info=INFO, units={"u": Units(codes=np.array([0, 0, 3, 3, 1])), "v": Units(codes=np.array([2]))})
    alignments = {"u": alignment((0.0, 0.035, "B"), (0.035, 0.08, "A")), "w": alignment((0.0, 1.0, "C"))}
    found = count_phones(units, alignments)
    assert found.phones == ("A", "B")
    assert found.counts.tolist() == [[1, 0, 0, 2], [1, 0, 0, 0]]
    assert (found.unaligned, found.unlabelled) == (("v",), 1)


@pytest.mark.parametrize("phones", [((5.0, 6.0, "A"), (6.0, 7.0, "B")), ((0.0, 1.0, "A"),)])
def test_too_few_phones(phones) -> None:
    units = UnitSet(info=INFO, units={"u": Units(codes=np.array([0, 1]))})
    with pytest.raises(DataError, match="phones fall on the units' steps, at least two are needed"):
        count_phones(units, {"u": alignment(*phones)})


def test_the_first_stage_and_all_stages_are_counted() -> None:
    # Phones A A A B B at the centres of the steps.
    codes = np.array([[0, 1], [0, 1], [0, 2], [0, 3], [1, 3]])
    units = UnitSet(info=INFO, units={"u": Units(codes=codes)})
    alignments = {"u": alignment((0.0, 0.06, "A"), (0.06, 0.11, "B"))}
    first = count_phones(units, alignments)
    assert first.counts.tolist() == [[3, 0, 0, 0], [1, 1, 0, 0]]
    joint = count_phones(units, alignments, joint=True)
    # (0, 1) twice, (0, 2), (0, 3), (1, 3)
    assert sorted(joint.counts.T.tolist()) == [[0, 1], [0, 1], [1, 0], [2, 0]]
    assert phone_purity(first.counts) == pytest.approx(4 / 5)
    assert phone_purity(joint.counts) == pnmi(joint.counts) == pytest.approx(1)
