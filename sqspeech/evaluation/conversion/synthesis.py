"""Synthetic speech that the evaluation of conversions compares with recordings."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqspeech.conversion import Converter
from sqspeech.errors import DataError

type Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """A recording (N,) at the model's rate of a speaker, and the target; `all_kinds` adds copy and reconstruction."""

    samples: Samples
    speaker: str
    target: str
    all_kinds: bool = False


@dataclass(frozen=True, kw_only=True)
class SyntheticSpeech:
    """Samples of the conversion, which took so many `seconds` of a CPU; and of the other kinds, if asked for."""

    converted: Samples
    seconds: float
    copy: Samples | None = None
    reconstruction: Samples | None = None


@dataclass(frozen=True)
class Synthesis:
    """Function of a request to its speech, or to the reason why there is none."""

    converter: Converter

    def __call__(self, request: SynthesisRequest) -> SyntheticSpeech | str:
        """Convert a recording, and copy and reconstruct it if asked for."""
        try:
            own = self._convert(request, request.speaker) if request.all_kinds else None
            copy = self.converter.copy(request.samples) if request.all_kinds else None
            began = time.process_time()
            converted = self._convert(request, request.target)
        except DataError as error:
            return str(error)
        seconds = time.process_time() - began
        return SyntheticSpeech(converted=converted, seconds=seconds, copy=copy, reconstruction=own)

    def _convert(self, request: SynthesisRequest, target: str) -> Samples:
        rate = self.converter.sample_rate
        return self.converter.convert(request.samples, rate, to=target, source=request.speaker)[0]
