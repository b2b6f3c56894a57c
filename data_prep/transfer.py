"""One large file over HTTP: continued where it broke off, verified, and only then under its own name.

While NAME is on its way, `NAME.part` holds what has come and `NAME.part.etag` of which version of the file that is.
Afterwards `NAME.sha256` holds the digest, size and modification time of what was verified, so that the next run need
not hash it again. `NAME.lock` keeps two runs apart.

The transfer is our own because pooch 1.9 removes what has come when a connection breaks, asks for no range, and curl
(`--continue-at -`, 7.88) sends no `If-Range`, so that it joins parts of two versions of a file, and with `--retry`
begins again from the first byte.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from data_prep.http_range import CHUNK, InterruptedTransferError, Source, beside, receive, size_of
from sqspeech.atomic import write_text
from sqspeech.errors import SqspeechError, cannot_write
from sqspeech.lock import locked

ATTEMPTS = 6
LONGEST_WAIT = 300.0


def fetch(source: Source, path: Path, wait: Callable[[float], None] = time.sleep) -> None:
    """Fetch `source` to `path` unless it is there; what an earlier run has left of it is continued.

    Parameters
    ----------
    source
        The file.
    path
        Where to put it; the folder is made.
    wait
        Called with the seconds to let pass before another attempt.

    Raises
    ------
    SqspeechError
        The server refuses, has another file or cannot be reached (what has come is kept); the digest is wrong (what
        has come is removed); there is too little space; another run is at it; the folder cannot be written.
    """
    if _stamped(path, source):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(beside(path, ".lock")), _bar() as bar:
            if not path.exists():
                _receive_all(source, path, bar, wait)
            _verify(source, path, bar)
    except OSError as error:
        raise SqspeechError(f"{cannot_write(path, error)} (--cache)") from error


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _receive_all(source: Source, path: Path, bar: Progress, wait: Callable[[float], None]) -> None:
    part = beside(path, ".part")
    if size_of(part) > source.size:
        part.unlink()
    _check_space(part, source.size - size_of(part))
    task = bar.add_task(f"Fetching {path.name}", total=source.size, completed=size_of(part))
    most, fruitless = size_of(part), 0
    while size_of(part) < source.size:
        try:
            receive(source, part, lambda n_bytes: bar.update(task, completed=n_bytes))
        except InterruptedTransferError as error:
            # Against the most there ever was: a server that ignores Range brings the same bytes again and again.
            fruitless = 0 if size_of(part) > most else fruitless + 1
            most = max(most, size_of(part))
            if fruitless == ATTEMPTS:
                raise SqspeechError(
                    f"{source.url}: {error}, {ATTEMPTS} times in a row; {size_of(part)} of {source.size} bytes are in "
                    f"{part}; run the command again to continue"
                ) from None
            pause = min(2.0**fruitless if error.pause is None else error.pause, LONGEST_WAIT)
            bar.console.print(f"{path.name}: {error}; trying again in {pause:.0f} s", markup=False, highlight=False)
            wait(pause)


def _check_space(part: Path, needed: int) -> None:
    missing = needed - shutil.disk_usage(part.parent).free
    if missing > 0:
        raise SqspeechError(
            f"{part.parent}: {missing / 1e9:.2f} GB of the {needed / 1e9:.2f} GB still to fetch have no space; free "
            "that much or choose another folder with --cache"
        )


def _verify(source: Source, path: Path, bar: Progress) -> None:
    part = beside(path, ".part")
    held = path if path.exists() else part
    found = _digest(held, bar)
    if found != source.sha256:
        raise _wrong(source, path, held, found)
    if held == part:
        part.replace(path)
        beside(part, ".etag").unlink(missing_ok=True)
    write_text(beside(path, ".sha256"), _stamp(path, source))


def _digest(path: Path, bar: Progress) -> str:
    task = bar.add_task(f"Checking {path.name}", total=size_of(path))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.advance(task, len(chunk))
        # Before the rename: a power cut must not leave holes under the final name.
        os.fsync(file.fileno())
    return digest.hexdigest()


def _wrong(source: Source, path: Path, held: Path, found: str) -> SqspeechError:
    remedy = "remove it and run the command again"
    if held != path:
        held.unlink()
        beside(held, ".etag").unlink(missing_ok=True)
        remedy = "it is removed; run the command again, and if that ends alike the file was changed at its source"
    return SqspeechError(f"{held}: SHA-256 {found} where {source.sha256} is expected; {remedy}")


def _stamp(path: Path, source: Source) -> str:
    status = path.stat()
    return f"{source.sha256} {status.st_size} {status.st_mtime_ns}\n"


def _stamped(path: Path, source: Source) -> bool:
    stamp = beside(path, ".sha256")
    return path.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _stamp(path, source)
