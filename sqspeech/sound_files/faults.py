"""What is wrong with a sound file."""

from pathlib import Path

from sqspeech.errors import DataError


class TruncatedError(DataError):
    """A file that has fewer bytes, frames or samples than its header states."""

    def __init__(self, path: Path, there: int, stated: int, unit: str) -> None:
        super().__init__(f"{path}: truncated, {there} of {stated} {unit}; fetch or record it again")


class UnreadFormatError(DataError):
    """Sound, which may be as it should, in a format that is not read."""

    def __init__(self, path: Path, name: str, reason: str = "") -> None:
        detail = f" ({reason})" if reason else ""
        super().__init__(
            f"{path}: {name}, a format that is not read{detail}; convert it to FLAC or WAV, such as with ffmpeg -i"
        )


def undecodable(path: Path, reason: str) -> DataError:
    """Return the error for a file that cannot be decoded."""
    return DataError(f"{path}: cannot decode ({' '.join(reason.split())}); it is damaged or no audio file")
