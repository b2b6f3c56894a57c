"""Average of ABX under weights of the speakers, against its definition on the speakers as they are drawn."""

from itertools import permutations, product

import numpy as np
import pytest

from sqspeech.evaluation.metrics import abx_cells
from sqspeech.evaluation.metrics.abx_cells import AbxCells

SPEAKERS = "stuv"


def cells(across: bool, kept: float = 0.6) -> AbxCells:
    """Cells of three phones in two contexts, of which some are missing at random."""
    random = np.random.default_rng(1)
    found = [
        (pair, speaker, of_x)
        for pair, _, speaker, of_x in product(permutations("abc", 2), range(2), SPEAKERS, SPEAKERS)
        if (speaker != of_x) is across and random.random() < kept
    ]
    pairs, speakers, of_x = zip(*found, strict=True)
    return AbxCells(pairs=pairs, speakers=speakers, of_x=of_x, errors=random.uniform(0, 100, len(found)))


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def slow_error_rate(given: AbxCells, drawn: str) -> float:
    """Average over pairs of the average over the drawn speakers of that over contexts and drawn speakers of X."""

    def of_speaker(pair: tuple[str, str], speaker: str) -> float:
        mine = [
            (x, error)
            for p, s, x, error in zip(given.pairs, given.speakers, given.of_x, given.errors, strict=True)
            if (p, s) == (pair, speaker)
        ]
        # Within speakers X is of the one that is looked at, however often it is drawn.
        return mean([error for other in drawn for x, error in mine if x == other])

    def of_pair(pair: tuple[str, str]) -> float:
        return mean([rate for rate in (of_speaker(pair, speaker) for speaker in drawn) if rate == rate])

    return mean([rate for rate in map(of_pair, permutations("abc", 2)) if rate == rate])


@pytest.mark.parametrize("across", [True, False])
@pytest.mark.parametrize("at_a_time", [1, 4_000_000])
def test_rates_equal_the_slow_definition(monkeypatch, across: bool, at_a_time: int) -> None:
    monkeypatch.setattr(abx_cells, "AT_A_TIME", at_a_time)
    given = cells(across)
    draws = ["stuv", "sstt", "vvvu", "uuts", "vvtt"]
    weights = {speaker: np.array([float(draw.count(speaker)) for draw in draws]) for speaker in SPEAKERS}
    expected = [slow_error_rate(given, draw) for draw in draws]
    np.testing.assert_allclose(given.error_rates(weights), expected)
    assert len(set(expected)) == len(draws)


def test_one_speaker_has_nothing_to_compare_across() -> None:
    weights = {speaker: np.array([1.0, 4.0 * (speaker == "s")]) for speaker in SPEAKERS}
    assert np.isnan(cells(across=True).error_rates(weights)).tolist() == [False, True]
    assert np.isfinite(cells(across=False).error_rates(weights)).all()
