"""Recordings converted to other speakers."""

from sqspeech.conversion.converter import Converter
from sqspeech.conversion.enrolment import enroll
from sqspeech.conversion.recordings import convert_all
from sqspeech.conversion.requests import SOURCE, ConversionRequest, plan

__all__ = ["SOURCE", "ConversionRequest", "Converter", "convert_all", "enroll", "plan"]
