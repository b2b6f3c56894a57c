"""Random numbers as a function of their place: the same on every device, in any order, in any number of processes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

# The constants of splitmix64, as signed 64-bit numbers.
GOLDEN = 0x9E3779B97F4A7C15 - 2**64
FIRST = 0xBF58476D1CE4E5B9 - 2**64
SECOND = 0x94D049BB133111EB - 2**64


def uniform(seed: int, step: int | Int[Tensor, ""], rows: Int[Tensor, " B"], stream: int) -> Float[Tensor, " B"]:
    """Return a uniform draw from [0, 1) in float64 for each row, by hashing (seed, step, row, stream).

    The hash is the finaliser of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014), once for each number; 53 bits of it make the draw.
    """
    signed = seed % 2**64 - (2**64 if seed % 2**64 >= 2**63 else 0)
    state = torch.full_like(rows, signed)
    for number in (step, rows, stream):
        state = _finalise(state + GOLDEN) ^ number
    drawn: Tensor = _shift(_finalise(state + GOLDEN), 11).double() * 2**-53
    return drawn


def _finalise(state: Tensor) -> Tensor:
    state = (state ^ _shift(state, 30)) * FIRST
    state = (state ^ _shift(state, 27)) * SECOND
    mixed: Tensor = state ^ _shift(state, 31)
    return mixed


def _shift(state: Tensor, bits: int) -> Tensor:
    # A logical shift: torch's own keeps the sign.
    shifted: Tensor = (state >> bits) & (2 ** (64 - bits) - 1)
    return shifted
