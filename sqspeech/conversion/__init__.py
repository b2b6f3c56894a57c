"""Recordings in other voices."""

from sqspeech.conversion.converter import Converter
from sqspeech.conversion.enrolment import enroll
from sqspeech.conversion.jobs import SOURCE, Job, plan
from sqspeech.conversion.recordings import convert_all

__all__ = ["SOURCE", "Converter", "Job", "convert_all", "enroll", "plan"]
