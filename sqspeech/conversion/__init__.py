"""Recordings in other voices."""

from sqspeech.conversion.converter import Converter
from sqspeech.conversion.enrolment import enroll
from sqspeech.conversion.recordings import SOURCE, Job, convert_all, plan

__all__ = ["SOURCE", "Converter", "Job", "convert_all", "enroll", "plan"]
