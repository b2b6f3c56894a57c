"""The archive that is handed in."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from sqspeech.atomic import atomic_path


def archive_path(submission: Path) -> Path:
    """Return the path of a tree's archive."""
    named = submission if submission.name else submission.absolute()  # "." has no name
    return named.with_name(f"{submission.resolve().name}.zip")


def write_archive(submission: Path) -> Path:
    """Write SUBMISSION.zip beside the tree, whole or not at all, and return its path.

    Raises
    ------
    SqspeechError
        It cannot be written, or the disk is full.
    """
    path = archive_path(submission)
    with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in sorted(submission.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(submission))
    return path
