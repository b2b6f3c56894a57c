import math

import pytest
import torch

from sqspeech.data.random_hash import uniform

MASK = 2**64 - 1


def splitmix64(state: int) -> int:
    """The next number of splitmix64, in Python's own integers."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ state >> 27) * 0x94D049BB133111EB) & MASK
    return state ^ state >> 31


def test_the_oracle_is_splitmix64():
    # The first outputs of the published generator for seed 0.
    assert splitmix64(0) == 0xE220A8397B1DCDAF
    assert splitmix64(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_it_hashes_seed_step_row_and_stream(seed):
    rows = torch.tensor([0, 1, 51, 2**40])
    for step, stream in ((0, 0), (499_999, 2)):
        found = uniform(seed, step, rows, stream)
        for row, value in zip(rows.tolist(), found.tolist(), strict=True):
            state = seed
            for number in (step, row, stream):
                state = splitmix64(state) ^ number
            assert value == (splitmix64(state) >> 11) * 2**-53


def test_draws_are_uniform_and_independent_of_their_neighbours():
    n = 2**16
    rows = torch.arange(n)
    draws = uniform(0, 0, rows, 0)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Kolmogorov and Smirnov's statistic at the level of 1e-6.
    steps = torch.arange(1, n + 1, dtype=torch.float64) / n
    assert (draws.sort().values - steps).abs().max() < math.sqrt(math.log(2e6) / 2 / n) + 1 / n
    for other in (uniform(0, 1, rows, 0), uniform(1, 0, rows, 0), uniform(0, 0, rows, 1), draws.roll(1)):
        assert abs(torch.corrcoef(torch.stack([draws, other]))[0, 1]) < 5 / math.sqrt(n)
