"""Parts of a list of utterances, for several hosts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqspeech.errors import DataError


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, the first being 1: a run of neighbouring utterances."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `i/n`; a DataError unless 1 <= i <= n."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise DataError(f"--shard {text}: expected i/n with i from 1 to n, such as 1/8 for the first of eight")
        return cls(int(index), int(count))

    def of[T](self, items: Sequence[T]) -> Sequence[T]:
        """Return this part of the items; all parts together are all items."""
        bounds = (len(items) * (self.index - 1) // self.count, len(items) * self.index // self.count)
        return items[slice(*bounds)]
