"""Discrete acoustic units."""

from sqspeech.codec import MATRICES, Level, Matrix, UnitInfo, Units, UnitSet, UnitStream
from sqspeech.units.corpus import extract_corpus
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.folder import read
from sqspeech.units.formats import FORMATS, Contents

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
    "extract_corpus",
    "read",
]
