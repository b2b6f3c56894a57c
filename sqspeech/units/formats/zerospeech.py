"""ZeroSpeech 2019 and 2020: `utt_id.txt`, the code vector of a step a line, and all of them in `codebook.npy`.

The challenge reads vectors and no indices, each step for itself, so that repetitions stay.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.names import file_name
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry

CODEBOOK = "codebook.npy"
# Of a residual quantiser: the codes (n, Q) whose vectors are the rows of the codebook (n, D).
CODES = "codes.npy"


@FORMATS.register("zerospeech")
class ZeroSpeech:
    """Code vectors as text, as the ZeroSpeech challenges of 2019 and 2020 read them."""

    HOLDS: ClassVar[frozenset[str]] = frozenset()
    FILES: ClassVar[tuple[str, ...]] = ("*.txt", "codebook.npy", "codes.npy")

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries, whose units have `vectors`."""
        known: dict[tuple[int, ...], NDArray[np.float32]] = {}
        for entry in entries:
            assert entry.units.vectors is not None
            (folder / file_name(entry.utt_id, ".txt")).write_text(text_of(entry.units.vectors), encoding="ascii")
            by_step = entry.units.codes.reshape(len(entry.units), -1)
            codes, first = np.unique(by_step, axis=0, return_index=True)
            known |= dict(zip(map(tuple, codes.tolist()), entry.units.vectors[first], strict=True))
        _save_codebook(folder, known)

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote, with the vectors."""
        codes_of = {row.tobytes(): code for row, code in _codebook(folder)}
        found: dict[str, Units] = {}
        for path in sorted(folder.glob("*.txt"), key=lambda path: path.stem):
            try:
                lines = path.read_text(encoding="ascii").splitlines()
                vectors = np.array([line.split() for line in lines], np.float32)
                codes = np.array([codes_of[row.tobytes()] for row in vectors], np.int64)
            except (ValueError, KeyError):
                raise DataError(f"{path}: not the vectors that were written here; extract the units again") from None
            found[path.stem] = Units(codes=codes, vectors=vectors)
        return found


def text_of(vectors: NDArray[np.float32]) -> str:
    """Return a row a line, with the digits that tell every float32 from every other."""
    return "".join(_line(row.tobytes()) for row in np.ascontiguousarray(vectors, np.float32))


@lru_cache(maxsize=1024)
def _line(row: bytes) -> str:
    return " ".join(map("{:.9g}".format, np.frombuffer(row, np.float32).tolist())) + "\n"


def _save_codebook(folder: Path, known: Mapping[tuple[int, ...], NDArray[np.float32]]) -> None:
    if len(next(iter(known))) > 1:
        np.save(folder / CODES, np.array(sorted(known)))
        np.save(folder / CODEBOOK, np.array([known[codes] for codes in sorted(known)]))
        return
    codebook = np.full((max(known)[0] + 1, len(next(iter(known.values())))), np.nan, np.float32)
    codebook[[code for (code,) in known]] = list(known.values())
    np.save(folder / CODEBOOK, codebook)


def _codebook(folder: Path) -> Iterable[tuple[NDArray[np.float32], Any]]:
    """Return the vectors, each with its code or codes."""
    codebook = _load(folder / CODEBOOK)
    return zip(codebook, _load(folder / CODES) if (folder / CODES).exists() else range(len(codebook)), strict=True)


def _load(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error}); extract the units again") from None
