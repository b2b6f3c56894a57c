import math

import pytest
import torch

from sqspeech.data.random_hash import hash_numbers, uniform

MASK = 2**64 - 1


class SplitMix64:
    """The published generator, in Python's own integers."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK

    def __call__(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((self.state ^ self.state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & MASK
        return mixed ^ mixed >> 31


def test_the_oracle_is_splitmix64():
    # The first outputs of the published generator for seed 0.
    generator = SplitMix64(0)
    assert [generator() for _ in range(2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


@pytest.mark.parametrize("key", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_draws_are_the_sequence_of_the_key(key):
    generator = SplitMix64(key)
    expected = [(generator() >> 11) * 2**-53 for _ in range(60)]
    places = torch.arange(1, 61).view(3, 20)
    assert uniform(key, places).flatten().tolist() == expected
    assert uniform(torch.tensor(key), places.flip(1)).flip(1).flatten().tolist() == expected


@pytest.mark.parametrize("numbers", [(0,), (0, 0), (7, 3), (2**64 - 1, 2**63), (-1, 2**63), (5, 2, 499_999)])
def test_a_key_hashes_every_number_in_order(numbers):
    state = 0
    for number in numbers:
        state = SplitMix64(state)() ^ (number & MASK)
    assert hash_numbers(*numbers) & MASK == SplitMix64(state)()
    assert -(2**63) <= hash_numbers(*numbers) < 2**63


def test_keys_of_different_numbers_differ():
    keys = {hash_numbers(seed, step) for seed in range(50) for step in range(50)}
    assert len(keys | {hash_numbers(seed, 0, step) for seed in range(50) for step in range(50)}) == 5000


def test_draws_are_uniform_and_independent_of_their_neighbours():
    n = 2**16
    places = 1 + torch.arange(n)
    draws = uniform(hash_numbers(0, 0), places)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Kolmogorov and Smirnov's statistic at the level of 1e-6.
    steps = torch.arange(1, n + 1, dtype=torch.float64) / n
    assert (draws.sort().values - steps).abs().max() < math.sqrt(math.log(2e6) / 2 / n) + 1 / n
    others = [uniform(hash_numbers(*numbers), places) for numbers in ((0, 1), (1, 0))]
    for other in (*others, draws.roll(1), draws.roll(3)):
        assert abs(torch.corrcoef(torch.stack([draws, other]))[0, 1]) < 5 / math.sqrt(n)
    # The first draw of one step after another, as a crop sees them.
    first = torch.cat([uniform(hash_numbers(0, step), places[:1]) for step in range(2000)])
    assert abs(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1]) < 5 / math.sqrt(2000)
