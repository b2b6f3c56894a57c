"""Faults of sound files."""

from pathlib import Path

from sqspeech.errors import DataError


class TruncatedError(DataError):
    """A file whose end is missing; `detail` says how that is known, such as "10 of 20 samples"."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: truncated, {detail}; fetch or record it again")


class UnreadFormatError(DataError):
    """Sound in a format that is not read."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"{path}: not a format that is read: {name}; convert it to FLAC or WAV, such as with ffmpeg -i"
        )


def undecodable(path: Path, reason: str) -> DataError:
    """Return the error for a file that cannot be decoded."""
    return DataError(f"{path}: cannot decode ({' '.join(reason.split())}); it is damaged or no audio file")
