"""A trained model as a codec: speech to units and back."""

from sqspeech.chunked_log_mel import Level
from sqspeech.codec.codec import Codec
from sqspeech.codec.prosody import PitchRule
from sqspeech.codec.speakers import TargetSpeaker, find_speaker
from sqspeech.codec.stream import UnitStream
from sqspeech.codec.units import MATRICES, Matrix, RecordingStatistics, UnitInfo, Units, UnitSet

__all__ = [
    "MATRICES",
    "Codec",
    "Level",
    "Matrix",
    "PitchRule",
    "RecordingStatistics",
    "TargetSpeaker",
    "UnitInfo",
    "UnitSet",
    "UnitStream",
    "Units",
    "find_speaker",
]
