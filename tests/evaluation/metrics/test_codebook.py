import math

import numpy as np
import pytest

from sqspeech.evaluation.metrics.codebook import active_codes, codebook_figures, perplexity, usage, usage_by_stage


def test_usage_counts_every_code_of_every_utterance() -> None:
    counts = usage([np.array([0, 3, 3]), np.array([], dtype=np.int64), np.array([[3], [1]])], 5)
    assert counts.tolist() == [1, 1, 0, 3, 0]


@pytest.mark.parametrize("code", [-1, 5])
def test_a_code_outside_the_codebook_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=r"negative|broadcast"):
        usage([np.array([0, code])], 5)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([7, 0, 0], 1.0),
        ([4] * 32, 32.0),
        ([0, 5, 5, 0], 2.0),
        ([2, 1, 1], math.exp(0.5 * math.log(2) + 0.5 * math.log(4))),
    ],
)
def test_perplexity_of_known_distributions(counts: list[int], expected: float) -> None:
    assert perplexity(np.array(counts)) == pytest.approx(expected, rel=1e-12)


def test_perplexity_without_codes_is_nan() -> None:
    assert math.isnan(perplexity(np.zeros(4, dtype=np.int64)))


def test_active_codes() -> None:
    assert active_codes(np.array([0, 1, 0, 9])) == 2


def test_usage_and_figures_of_each_stage() -> None:
    random = np.random.default_rng(0)
    codes = [random.integers(0, 5, (length, 3)) for length in (7, 30)]
    counts = usage_by_stage(codes, 6)
    for stage in range(3):
        assert counts[stage].tolist() == [sum(int((c[:, stage] == code).sum()) for c in codes) for code in range(6)]
    assert usage_by_stage([c[:, 1] for c in codes], 6).tolist() == [counts[1].tolist()]
    figures = codebook_figures(counts)
    assert figures["perplexity_by_stage"] == [perplexity(stage) for stage in counts]
    assert figures["perplexity"] == pytest.approx(sum(map(perplexity, counts)) / 3)
    assert figures["active_codes_by_stage"] == [active_codes(stage) for stage in counts]
    assert codebook_figures(counts[:1]) == {
        "perplexity": perplexity(counts[0]),
        "active_codes": active_codes(counts[0]),
    }
