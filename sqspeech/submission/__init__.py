"""Submissions to ZeroSpeech 2019 and 2020, "TTS without T"."""

from sqspeech.submission.archive import archive_path, write_archive
from sqspeech.submission.build import Representation, build, system
from sqspeech.submission.metadata import Metadata
from sqspeech.submission.rules import notes, validate
from sqspeech.submission.tree import LANGUAGES, Part, plan
from sqspeech.submission.violation import Violation

__all__ = [
    "LANGUAGES",
    "Metadata",
    "Part",
    "Representation",
    "Violation",
    "archive_path",
    "build",
    "notes",
    "plan",
    "system",
    "validate",
    "write_archive",
]
