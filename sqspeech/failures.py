"""Bad inputs of a run: each is reported by name with its reason, and the rest goes on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqspeech.errors import DataError
from sqspeech.names import shown


class Failures:
    """The inputs that a run had to skip.

    Attributes
    ----------
    reasons
        The reason by the input's name.
    notes
        What was done to make an input usable, by its name.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.notes: dict[str, str] = {}

    @contextmanager
    def skipping(self, name: str) -> Iterator[None]:
        """Turn a DataError inside the block into a skipped input."""
        try:
            yield
        except DataError as error:
            self.add(name, str(error))

    def add(self, name: str, reason: str) -> None:
        """Note a skipped input, and print it on standard error, whatever characters its name has."""
        name, reason = shown(name), shown(reason)
        self.reasons[name] = reason
        print(f"skipped {name}: {reason}", file=sys.stderr)

    def absorb(self, others: "Failures") -> None:
        """Count the others among these."""
        self.reasons |= others.reasons
        self.notes |= others.notes

    def noted(self) -> str:
        """Return how many inputs have a note, for the end of a line, and print each note with the first of its inputs.

        The notes go to standard error.
        """
        alike: dict[str, list[str]] = {}
        for name, text in self.notes.items():
            alike.setdefault(text, []).append(name)
        for text, (first, *others) in alike.items():
            print(f"note on {first}{f' and {len(others)} more' if others else ''}: {text}", file=sys.stderr)
        return f", {len(self.notes)} used with a note" if self.notes else ""

    def check(self, usable: int, *, strict: bool) -> None:
        """End the run.

        Raises
        ------
        DataError
            Nothing was usable, or `strict` and something was skipped.
        """
        if not usable:
            first = next(iter(self.reasons.items()), None)
            reason = f"; the first of {len(self.reasons)}, {first[0]}: {first[1]}" if first else ""
            raise DataError(f"no usable input{reason}")
        if strict and self.reasons:
            raise DataError(f"{len(self.reasons)} inputs were skipped (named above), which --strict forbids")
