"""Files that are either whole or absent."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO
from uuid import uuid4

from sqspeech.errors import cannot_write

# In bytes, of a file's name in its temporary one.
KEPT = 200


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it on failure.

    The temporary name keeps the suffix, because writers such as soundfile choose the format by it, and is no longer
    than a name may be.

    Raises
    ------
    SqspeechError
        The folder cannot be made or written, or the disk is full.
    """
    end = os.fsdecode(os.fsencode(path.name)[-KEPT:])
    temporary = path.with_name(f".tmp-{os.getpid()}-{end}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # When even the folder could not be made there is nothing to delete, and unlink fails.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Yield a folder in the folder `beside`, where the space is that the result needs too; delete it afterwards.

    Raises
    ------
    SqspeechError
        It cannot be made or written, or the disk is full.
    """
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=beside, prefix=".tmp-") as folder:
            yield Path(folder)
    except OSError as error:
        raise cannot_write(beside, error) from error


@contextmanager
def scratch_file(beside: Path) -> Iterator[IO[bytes]]:
    """Yield a file in the folder `beside` that has no name, so that nothing is left of it however this process ends.

    Raises
    ------
    SqspeechError
        It cannot be made or written, or the disk is full.
    """
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=beside) as file:
            yield file
    except OSError as error:
        raise cannot_write(beside, error) from error


@contextmanager
def scratch_path(beside: Path) -> Iterator[Path]:
    """Yield a path in the folder `beside` for a folder that several processes may make; delete it afterwards.

    Where none of them needs it, nothing is made.
    """
    path = beside / f".tmp-{uuid4().hex}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    # Without it a power cut after the rename can leave an empty file under the final name.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
