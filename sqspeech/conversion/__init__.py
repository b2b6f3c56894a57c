"""Recordings converted to other speakers."""

from sqspeech.conversion.converter import Converter
from sqspeech.conversion.decoding import decode_all, plan_decoding
from sqspeech.conversion.enrolment import enroll
from sqspeech.conversion.recordings import convert_all
from sqspeech.conversion.requests import SOURCE, ConversionRequest, plan

__all__ = ["SOURCE", "ConversionRequest", "Converter", "convert_all", "decode_all", "enroll", "plan", "plan_decoding"]
