"""Synthetic speech that evaluations compare with recordings."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec import PitchRule, find_speaker
from sqspeech.conversion import Converter
from sqspeech.errors import DataError
from sqspeech.evaluation.speech.stages import latents_of

type Samples = NDArray[np.float32]

COPY, RECONSTRUCTION, CONVERSION = "copy", "reconstruction", "conversion"


@dataclass(frozen=True, kw_only=True)
class SynthesisRequest:
    """A recording (N,) at the model's rate of a speaker, the target of its conversion, and the kinds that are wanted.

    Beside `copy`, `reconstruction` and `conversion`, these are the kinds of `sqspeech.evaluation.speech.stages`, with
    the recording's own speaker.
    """

    samples: Samples
    speaker: str
    target: str
    kinds: tuple[str, ...] = (CONVERSION,)


@dataclass(frozen=True, kw_only=True)
class SyntheticSpeech:
    """Samples (N,) by kind, and how many `seconds` of a CPU the conversion took."""

    speech: Mapping[str, Samples]
    seconds: float


@dataclass(frozen=True)
class Synthesis:
    """Function of a request to its speech, or to the reason why there is none."""

    converter: Converter

    def __call__(self, request: SynthesisRequest) -> SyntheticSpeech | str:
        """Make the speech of each kind."""
        made, seconds = dict[str, Samples](), 0.0
        try:
            for kind in request.kinds:
                began = time.process_time()
                made[kind] = self._make(kind, request)
                seconds += (time.process_time() - began) * (kind == CONVERSION)
        except DataError as error:
            return str(error)
        return SyntheticSpeech(speech=made, seconds=seconds)

    def _make(self, kind: str, request: SynthesisRequest) -> Samples:
        if kind == COPY:
            return self.converter.copy(request.samples)
        if kind in (RECONSTRUCTION, CONVERSION):
            target = request.target if kind == CONVERSION else request.speaker
            rate = self.converter.sample_rate
            # A reconstruction is what the codes hold, whose bits are counted.
            coded = kind == RECONSTRUCTION
            return self.converter.convert(request.samples, rate, to=target, source=request.speaker, coded=coded)[0]
        return self._decode(kind, request)

    def _decode(self, kind: str, request: SynthesisRequest) -> Samples:
        codec, samples = self.converter.codec, request.samples
        out = np.zeros(len(samples), np.float32)
        codec.synthesizer.convert(
            [out],
            samples,
            [find_speaker(codec.trained, request.speaker)],
            self.converter.vocoder,
            pitch=PitchRule.parse("target"),
            source=request.speaker,
            latents=latents_of(codec, kind, samples),
        )
        return out
