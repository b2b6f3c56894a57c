"""Recordings in Kaldi arks, `x.ark:OFFSET` in a wav.scp, as ESPnet and kaldiio write them."""

import os
import re
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sqspeech.errors import DataError

LOCATION = re.compile(r"(.+):(\d{1,18})", re.DOTALL | re.ASCII)
HEAD, CHUNK = 16, 1 << 20
# What a WAV states that was written to a pipe, in bytes, is at least this.
UNKNOWN_LENGTH = 0x7FFF0000


def split(path: Path) -> tuple[Path, int | None]:
    """Return the ark and the offset in it; of a file outside any ark, itself and None."""
    found = LOCATION.fullmatch(str(path))
    if not found or os.path.exists(path):  # noqa: PTH110 (which raises where a name is too long)
        return path, None
    return Path(found[1]), int(found[2])


def file_of(path: Path) -> Path:
    """Return the file that holds a recording: the ark, or the recording's own."""
    return split(path)[0]


def open_audio(path: Path) -> int:
    """Return a descriptor of a recording's own bytes, which of one in an ark are copied out of it.

    Raises
    ------
    DataError
        There is no recording at that offset of the ark.
    OSError
        The file cannot be opened.
    """
    ark, offset = split(path)
    if offset is None:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with ark.open("rb") as source, TemporaryFile() as target:
        left = _find(path, source, offset)
        while left and (chunk := source.read(min(CHUNK, left))):
            target.write(chunk)
            left -= len(chunk)
        target.seek(0)
        return os.dup(target.fileno())


def _find(path: Path, ark: IO[bytes], offset: int) -> int:
    """Go to the recording's first byte, and return how many it has, or those that are left where that is not stated."""
    ark.seek(offset)
    head = ark.read(HEAD)
    whole = os.fstat(ark.fileno()).st_size - offset
    if whole + offset == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); fetch or record it again")
    begin, length = 0, whole
    if head[:5] == b"AUDIO" and len(head) > 5:
        begin = 6 + head[5]
        length = int.from_bytes(head[6:begin], "little")
    elif head[:4] == b"RIFF":
        length = 8 + int.from_bytes(head[4:8], "little")
    if not head or head[:2] == b"\0B" or (not begin and head[:4] not in (b"RIFF", b"fLaC")):
        what = "features" if head[:2] == b"\0B" else "no audio"
        raise DataError(f"{path}: {what} at this place of the ark; write wav.scp with the ark again")
    if length == 8 or length >= UNKNOWN_LENGTH:
        raise DataError(f"{path}: a WAV of unknown length in an ark, written to a pipe; write the ark again from files")
    ark.seek(offset + begin)
    return length
