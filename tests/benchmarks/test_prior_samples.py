"""Divergences and trigram samples of the benchmark of a prior's samples."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chisquare

from benchmarks.prior_samples import divergence, divergences, sample_n_gram
from sqspeech.evaluation.metrics.n_gram import KneserNey


def test_the_divergence_is_that_of_scipy():
    random = np.random.default_rng(0)
    one, other = random.integers(8, size=50), random.integers(4, 12, size=80)
    counts = [np.bincount(values, minlength=12) for values in (one, other)]
    assert divergence(one.tolist(), other.tolist()) == pytest.approx(jensenshannon(*counts, base=2) ** 2)
    assert divergence("ab", "ba") == 0
    assert divergence("ab", "cd") == 1


def test_units_pairs_and_runs_are_told_apart():
    one, other = [np.array([0, 0, 1, 1])], [np.array([0, 1, 0, 1])]
    units, pairs, runs = divergences(one, other)
    assert units == 0
    # 00, 01, 11 against 01, 10, 01; two runs of two against four of one.
    assert pairs == pytest.approx(jensenshannon([1, 1, 0, 1], [0, 2, 1, 0], base=2) ** 2)
    assert runs == 1


def test_samples_follow_the_trigram():
    random = np.random.default_rng(1)
    train = [random.choice(3, p=[0.6, 0.3, 0.1], size=30) for _ in range(20)]
    found = sample_n_gram(train, 3, count=4000, length=2, seed=0)
    model = KneserNey(train, 3, 3)
    wanted = [2.0 ** -model.bits([np.array([a, b])]).sum() for a in range(3) for b in range(3)]
    counts = np.bincount([3 * a + b for a, b in found], minlength=9)
    assert chisquare(counts, 4000 * np.array(wanted)).pvalue > 0.01
