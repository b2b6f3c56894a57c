"""A Kaldi ark of features that grows, survives any stop, and is put together with others."""

import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import kaldiio
import numpy as np
from numpy.typing import NDArray

from sqspeech.atomic import write_text
from sqspeech.errors import DataError

# Bytes before the values of a matrix: "\0BFM ", then rows and columns with their sizes.
HEAD = 15


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Place of an utterance in an ark: its bytes from `start` to `end`, the matrix from `offset`.

    `note` names what was done to make the audio usable, and is empty when nothing was. `version` is that of the
    recording (see `Utterance.version`), empty where it is not known.
    """

    ark: Path
    start: int
    offset: int
    end: int
    frames: int
    note: str = ""
    version: str = ""


class GrowingArk:
    """`folder`/feats.ark, and `folder`/index with a line for each utterance that the ark holds whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "feats.ark"
        self.entries = read_index(folder)
        # Only whole lines count, and only matrices that the ark holds whole; the rest is written again.
        write_text(folder / "index", "".join(_line(utt_id, entry) for utt_id, entry in self.entries.items()))
        self._index = (folder / "index").open("a", encoding="utf-8")
        self._ark = self.path.open("ab")
        self._ark.truncate(max((entry.end for entry in self.entries.values()), default=0))
        self._ark.seek(0, os.SEEK_END)

    def append(self, utt_id: str, mel: NDArray[np.float32], note: str = "", version: str = "") -> None:
        """Add the log-mel of an utterance, shape (T, M)."""
        start = self._ark.tell()
        kaldiio.save_ark(self._ark, {utt_id: mel})
        self._ark.flush()
        entry = Entry(
            ark=self.path,
            start=start,
            offset=start + len(utt_id.encode()) + 1,
            end=self._ark.tell(),
            frames=len(mel),
            note=note,
            version=version,
        )
        self._index.write(_line(utt_id, entry))
        self._index.flush()
        self.entries[utt_id] = entry

    def close(self) -> None:
        """Close the files; what was appended stays."""
        self._index.close()
        self._ark.close()


def read_index(folder: Path) -> dict[str, Entry]:
    """Return what the growing ark in `folder` holds whole, also while another process appends to it."""
    ark, index = folder / "feats.ark", folder / "index"
    if not index.exists() or not ark.exists():
        return {}
    lines, size = index.read_text(encoding="utf-8").split("\n")[:-1], ark.stat().st_size
    entries: dict[str, Entry] = {}
    for line in lines:
        utt_id, start, offset, end, frames, length, time, note = line.split(" ", maxsplit=7)
        if int(end) > size:
            break
        entries[utt_id] = Entry(
            ark=ark,
            start=int(start),
            offset=int(offset),
            end=int(end),
            frames=int(frames),
            note=note,
            version=f"{length} {time}".strip(),
        )
    return entries


def read_matrix(ark: Path, offset: int) -> NDArray[np.float32]:
    """Return the features, shape (T, M), that begin at `offset` bytes of the ark.

    Raises
    ------
    DataError
        There is no whole binary matrix of float32 at that place.
    """
    # Looked at first, because kaldiio unpickles what claims to be a pickle, and allocates whatever size is stated.
    with open_ark(ark) as file:
        read_shape(file, offset)
    # A copy, because kaldiio returns a read-only view and torch wants to own what it is given.
    return np.array(kaldiio.load_mat(f"{ark}:{offset}"))


def open_ark(path: Path) -> BinaryIO:
    """Open an ark to read; a DataError where that cannot be done."""
    try:
        return path.open("rb")
    except OSError as fault:
        raise DataError(f"{path}: {fault.strerror or fault}; make the features again") from None


def read_shape(ark: BinaryIO, offset: int) -> tuple[int, int]:
    """Return the shape (T, M) of the features whose head begins at `offset` bytes; raises as `read_matrix` does."""
    ark.seek(offset)
    head = ark.read(HEAD)
    if len(head) < HEAD or head[:5] != b"\0BFM ":
        raise DataError(f"{ark.name}:{offset}: no binary matrix of float32 begins here; make the features again")
    rows, columns = struct.unpack("<xixi", head[5:])
    left = os.fstat(ark.fileno()).st_size - offset - HEAD
    if not 0 < 4 * rows * columns <= left or rows < 0:
        raise DataError(
            f"{ark.name}:{offset}: {rows} frames of {columns} values, but {left} bytes follow; make the features again"
        )
    return rows, columns


def concatenate(entries: Mapping[str, Entry], folder: Path) -> dict[str, Entry]:
    """Write the utterances, in the order given, to an ark with an index in `folder`; return where it holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index").unlink(missing_ok=True)
    ark, moved = folder / "feats.ark", {}
    with ExitStack() as stack, ark.open("wb") as target:
        sources = {path: stack.enter_context(path.open("rb")) for path in {entry.ark for entry in entries.values()}}
        for utt_id, entry in entries.items():
            shift = target.tell() - entry.start
            sources[entry.ark].seek(entry.start)
            target.write(sources[entry.ark].read(entry.end - entry.start))
            moved[utt_id] = replace(
                entry, ark=ark, start=entry.start + shift, offset=entry.offset + shift, end=entry.end + shift
            )
    write_text(folder / "index", "".join(_line(utt_id, entry) for utt_id, entry in moved.items()))
    return moved


def _line(utt_id: str, entry: Entry) -> str:
    version = entry.version or " "
    return f"{utt_id} {entry.start} {entry.offset} {entry.end} {entry.frames} {version} {entry.note}\n"


def is_whole(entries: Sequence[Entry]) -> bool:
    """Return whether the entries, in this order, are all that one ark holds."""
    bounds = [0, *(entry.end for entry in entries)]
    return (
        len({entry.ark for entry in entries}) == 1
        and [
            *(entry.start for entry in entries),
            entries[-1].ark.stat().st_size,
        ]
        == bounds
    )
