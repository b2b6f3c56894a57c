"""Discrete acoustic units."""

from sqspeech.codec import MATRICES, Level, Matrix, UnitInfo, Units, UnitSet, UnitStream
from sqspeech.units.extract import extract_corpus
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.formats import FORMATS, Contents
from sqspeech.units.store import read

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
