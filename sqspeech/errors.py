"""The errors that a user can remove: one line that says what, where, the likely cause and the remedy."""

import errno
from pathlib import Path


class SqspeechError(Exception):
    """An expected failure; the command line prints it as one line and exits with status 1."""


class ConfigError(SqspeechError):
    """A configuration that is unknown, ill-typed or does not fit the data."""


class DataError(SqspeechError):
    """Audio, a data directory or features that cannot be used."""


class CheckpointError(SqspeechError):
    """A checkpoint that cannot be read or does not fit the request."""


class HubError(SqspeechError):
    """A repository of the Hugging Face Hub that cannot be read or written."""


FULL, FORBIDDEN = "free some space or choose a writable folder", "choose a folder that you may write to"
IN_THE_WAY = "something else is in the way; move it, or choose another name"
# By the system's code for a file that cannot be written.
REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EROFS: FORBIDDEN,
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: IN_THE_WAY,
    errno.EISDIR: IN_THE_WAY,
    errno.EEXIST: IN_THE_WAY,
    errno.ENOTEMPTY: IN_THE_WAY,
}


def cannot_write(path: Path | str, error: OSError) -> SqspeechError:
    """Return the error of a file or folder that could not be written, with the remedy for that reason."""
    remedy = REMEDIES.get(error.errno or 0, "see whether its folder can be written, or choose another")
    return SqspeechError(f"{path}: cannot write ({error.strerror or error}); {remedy}")
