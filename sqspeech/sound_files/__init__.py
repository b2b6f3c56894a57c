"""Sound files as they are found: what their headers promise, what is there, and how to decode all of it."""

from sqspeech.sound_files.decoder import Decoder, decoding
from sqspeech.sound_files.faults import TruncatedError, UnreadFormatError

__all__ = ["Decoder", "TruncatedError", "UnreadFormatError", "decoding"]
