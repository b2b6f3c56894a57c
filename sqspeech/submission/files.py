"""Checks of a single units file or recording of a submission."""

import math
import wave
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.submission.tree import SAMPLE_RATE
from sqspeech.submission.violation import Violation

# In bytes: what is longer is no frame, and what is longer than this is judged anew each time it is met.
LONGEST, REMEMBERED = 2**20, 2**15
AGAIN = "write the units again with `sqspeech submit`"
EMPTY = "has no frames"
SINGLE = "has a single column, which the evaluation reads as empty"
BLANK, SPACED, INFINITE = "is blank", "is not numbers with one space between", "has a value that is NaN or infinite"
LONG, RAGGED = f"is longer than {LONGEST} bytes", "has another number of columns than the first"
REMEDIES = {SINGLE: "write code vectors or one-hot vectors, no indices"}


def unit_faults(path: Path) -> tuple[int, list[Violation]]:
    """Return how many columns a units file has, and its faults, each reported once.

    Lines are read one by one, so that the memory this takes does not grow with the file.
    """
    if not path.is_file():
        return 0, [Violation(path=path, what="is no file", remedy=AGAIN)]
    columns, n_lines = 0, 0
    found: dict[str, tuple[int, int]] = {}
    with path.open("rb") as file:
        for n_lines, line in enumerate(iter(partial(file.readline, LONGEST), b""), 1):
            n_columns, fault = (_judge if len(line) <= REMEMBERED else _judge.__wrapped__)(line)
            columns = columns or n_columns
            ragged = RAGGED if n_columns and n_columns != columns else ""
            for what in filter(None, (fault, ragged)):
                first, count = found.get(what, (n_lines, 0))
                found[what] = first, count + 1
            if fault == LONG:
                break
    if not n_lines:
        return 0, [Violation(path=path, what=EMPTY, remedy=AGAIN)]
    return columns, [_violation(path, what, *place) for what, place in found.items()]


@lru_cache(maxsize=1024)
def _judge(line: bytes) -> tuple[int, str]:
    """Return how many columns a line has, 0 where that is unknown, and what is wrong with it."""
    if len(line) == LONGEST and not line.endswith(b"\n"):
        return 0, LONG
    if not line.strip():
        return 0, BLANK
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        values = [float(value) for value in line.split(b" ")]
    except ValueError:
        return 0, SPACED
    if b"\r" in line:  # which ends a line for the evaluation
        return 0, SPACED
    if len(values) == 1:
        return 1, SINGLE
    return len(values), "" if all(map(math.isfinite, values)) else INFINITE


def _violation(path: Path, what: str, first: int, count: int) -> Violation:
    more = f", as have {count - 1} more lines" if count > 1 else ""
    return Violation(path=path, line=first, what=what + more, remedy=REMEDIES.get(what, AGAIN))


def wav_faults(path: Path) -> Iterator[Violation]:
    """Yield what is wrong with a recording, which must be a WAV of 16 bits, 16 kHz and one channel."""
    for what in _wav_faults(path):
        yield Violation(path=path, what=what, remedy="convert it again with `sqspeech submit`")


def _wav_faults(path: Path) -> Iterator[str]:
    if not path.is_file():
        yield "is no file"
        return
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, frames = file.getparams()[:4]
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError is of chunks that end before they begin
        yield f"is no WAV of integer samples ({error if str(error) else 'it ends too early'})"
        return
    if not frames:
        yield "has no samples"
        return
    for unit, value, wanted in (("Hz", rate, SAMPLE_RATE), ("channels", channels, 1), ("bits", 8 * width, 16)):
        if value != wanted:
            yield f"has {value} {unit} and not {wanted}"
    try:
        audio.probe(path)
    except DataError as error:
        yield str(error).removeprefix(f"{path}: ").partition(";")[0]
