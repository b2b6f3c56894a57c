"""Discrete acoustic units."""

from sqspeech.chunked_log_mel import Level
from sqspeech.units.corpus import extract_corpus
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.folder import read
from sqspeech.units.formats import FORMATS, Contents
from sqspeech.units.stream import UnitStream
from sqspeech.units.unit_set import MATRICES, Matrix, UnitInfo, Units, UnitSet, centres, timing

__all__ = [
    "FORMATS",
    "MATRICES",
    "Contents",
    "Level",
    "Matrix",
    "UnitExtractor",
    "UnitInfo",
    "UnitSet",
    "UnitStream",
    "Units",
    "centres",
    "extract_corpus",
    "read",
    "timing",
]
