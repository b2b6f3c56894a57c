"""Random numbers as a function of their place: the same on every device, in any order, in any number of processes.

A key is hashed on the host, and from it any number of draws on the device: element n of splitmix64's sequence that
begins at the key (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

MASK = 2**64 - 1
# The constants of splitmix64.
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def hash_numbers(*numbers: int) -> int:
    """Return a hash of integers, in their order, in [−2⁶³, 2⁶³): splitmix64's finaliser once for each number."""
    state = 0
    for number in numbers:
        state = _finalise((state + GOLDEN) & MASK) ^ (number & MASK)
    return _signed(_finalise((state + GOLDEN) & MASK))


def uniform(key: int | Int[Tensor, "..."], places: Int[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
    """Return a uniform draw from [0, 1) for each place, which counts from 1; keys and places may be broadcast.

    The draw is 53 bits of element `place` of splitmix64's sequence from the state `key`. Nothing waits for the device
    where `key` is a tensor there.
    """
    if isinstance(key, int):
        key = torch.tensor(key, device=places.device)
    state = torch.add(key, places, alpha=_signed(GOLDEN))
    state = (state ^ _shift(state, 30)) * _signed(FIRST)
    state = (state ^ _shift(state, 27)) * _signed(SECOND)
    return _shift(state ^ _shift(state, 31), 11).double() * 2**-53


def _finalise(state: int) -> int:
    state = (state ^ state >> 30) * FIRST & MASK
    state = (state ^ state >> 27) * SECOND & MASK
    return state ^ state >> 31


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _shift(state: Tensor, bits: int) -> Tensor:
    # A logical shift: torch's own keeps the sign.
    shifted: Tensor = (state >> bits) & (2 ** (64 - bits) - 1)
    return shifted
