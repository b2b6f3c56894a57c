"""Locks that keep two runs from writing the same place, and that end with their process."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqspeech.errors import SqspeechError, cannot_write

WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, alone or with others who want it `shared`; the file is left behind.

    A file system without locks is used without.

    Raises
    ------
    SqspeechError
        Another run holds it, or the folder cannot be written.
    """
    try:
        descriptor = _acquire(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except BlockingIOError:
        raise SqspeechError(
            f"{path.parent}: another run is writing here; wait for it, stop it, or choose another folder"
        ) from None
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, kind: int) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                os.close(descriptor)
                raise
        # The run that held it before may have removed it meanwhile; a lock on a removed file excludes nobody.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
