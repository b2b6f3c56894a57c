"""Which utterances are held out of training, from a hash of their ids.

A speaker's utterances are decided by its own ids alone, so that another speaker, or another release of the corpus
with the same ids, moves nothing.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The shares of each speaker's utterances that are held out for `dev` and `test`, each in [0, 1)."""

    dev: float = 0.05
    test: float = 0.05


def position(name: str) -> float:
    """Return a number in [0, 1) that only `name` decides, uniform over names (the first 8 bytes of SHA-256)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def assign(utt_ids: Collection[str], shares: Shares) -> dict[str, str]:
    """Return the set of each utterance of one speaker: `test` below the share of `test`, then `dev`, else `train`.

    A share above zero gets at least one utterance of a speaker who has three or more, and every speaker keeps one
    for training: in a small corpus a share alone could leave a set empty.
    """
    order = sorted(utt_ids, key=position)
    most = len(order) - 1 if len(order) > 2 else 0
    n_test = _count(order, 0.0, shares.test, most - (shares.dev > 0))
    n_dev = _count(order[n_test:], shares.test, shares.dev, most - n_test)
    names = ["test"] * n_test + ["dev"] * n_dev
    return dict(zip(order, names + ["train"] * (len(order) - len(names)), strict=True))


def _count(order: list[str], low: float, share: float, most: int) -> int:
    wanted = sum(low <= position(utt_id) < low + share for utt_id in order)
    return max(0, min(max(wanted, share > 0), most))
