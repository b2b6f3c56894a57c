"""ZeroSpeech 2019 and 2020: `utt_id.txt`, the code vector of a step a line, and all of them in `codebook.npy`.

The challenge reads vectors and no indices, each step for itself, so that repetitions stay.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.names import file_name
from sqspeech.units.formats.entry import Contents, Entry

HOLDS = frozenset[str]()
FILES = ("*.txt", "codebook.npy")
CODEBOOK = "codebook.npy"


def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
    """Write the entries, whose units have `vectors`."""
    known: dict[int, NDArray[np.float32]] = {}
    for entry in entries:
        assert entry.units.vectors is not None
        (folder / file_name(entry.utt_id, ".txt")).write_text(text_of(entry.units.vectors), encoding="ascii")
        codes, first = np.unique(entry.units.codes, return_index=True)
        known |= dict(zip(codes.tolist(), entry.units.vectors[first], strict=True))
    codebook = np.full((max(known) + 1, len(next(iter(known.values())))), np.nan, np.float32)
    codebook[list(known)] = list(known.values())
    np.save(folder / CODEBOOK, codebook)


def text_of(vectors: NDArray[np.float32]) -> str:
    """Return a row a line, with the digits that tell every float32 from every other."""
    return "".join(_line(row.tobytes()) for row in np.ascontiguousarray(vectors, np.float32))


@lru_cache(maxsize=1024)
def _line(row: bytes) -> str:
    return " ".join(map("{:.9g}".format, np.frombuffer(row, np.float32).tolist())) + "\n"


def read(folder: Path, contents: Contents) -> dict[str, Units]:
    """Return what `write` wrote, with the vectors."""
    places = {row.tobytes(): code for code, row in enumerate(_codebook(folder / CODEBOOK))}
    found: dict[str, Units] = {}
    for path in sorted(folder.glob("*.txt"), key=lambda path: path.stem):
        try:
            lines = path.read_text(encoding="ascii").splitlines()
            vectors = np.array([line.split() for line in lines], np.float32)
            codes = np.array([places[row.tobytes()] for row in vectors], np.int64)
        except (ValueError, KeyError):
            raise DataError(f"{path}: not the vectors that were written here; extract the units again") from None
        found[path.stem] = Units(codes=codes, vectors=vectors)
    return found


def _codebook(path: Path) -> NDArray[np.float32]:
    try:
        codebook: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return codebook
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error}); extract the units again") from None
