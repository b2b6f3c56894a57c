"""Contract of a metric over converted utterances, and the registry of these metrics.

>>> @CONVERSION_METRICS.register("duration")
... class Duration(ConversionMetric):
...     def __call__(self, converted):
...         return {"seconds": len(converted.speech.samples) / converted.speech.sample_rate}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec import Codec
from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.mel_cepstrum import Analysis, align
from sqspeech.pitch import SpeakerPitch
from sqspeech.registry import Registry

type Samples = NDArray[np.float32]


class Speech:
    """Samples (N,) of an utterance, and what several metrics derive from them, computed once when it is needed.

    `codec` has the codebook of the units; None for a model without one.
    """

    def __init__(self, samples: Samples, sample_rate: int, codec: Codec | None = None) -> None:
        self.samples, self.sample_rate, self._codec = samples, sample_rate, codec

    @cached_property
    def analysis(self) -> Analysis:
        """Mel-cepstra and F0."""
        return Analysis(self.samples, self.sample_rate)

    @cached_property
    def codes(self) -> NDArray[np.int64] | None:
        """Codes of the units, shape (L,) or (L, Q); None where the model has no codebook."""
        return self._codec.encode(self.samples, self.sample_rate).codes if self._codec else None


@dataclass(frozen=True, kw_only=True)
class ConvertedUtterance:
    """Converted utterance with the recordings that it is compared with.

    Attributes
    ----------
    speech
        The converted utterance.
    speaker
        The target speaker.
    source
        The recording that was converted.
    reference
        A recording of the same text by the target speaker; None where there is none.
    """

    speech: Speech
    speaker: str
    source: Speech
    reference: Speech | None

    @cached_property
    def path(self) -> NDArray[np.intp]:
        """DTW path (P, 2) of the frames of the converted utterance and of its reference."""
        assert self.reference is not None
        return align(self.speech.analysis, self.reference.analysis)


@dataclass(frozen=True, kw_only=True)
class ConversionTestData:
    """Data of an evaluation of conversions.

    Attributes
    ----------
    sample_rate
        Of all samples, in Hz.
    hop_length
        Of the model's features, in samples.
    pitch
        Pitch by speaker, where it is known.
    test
        Samples (N,) and speaker of each test recording.
    train
        Recordings of the same speakers, for metrics that train a classifier.
    """

    sample_rate: int
    hop_length: int
    pitch: Mapping[str, SpeakerPitch]
    test: Sequence[tuple[Samples, str]]
    train: DataDir


class ConversionMetric:
    """Metric over converted utterances: values by name, None where an utterance has none.

    The evaluation reports the mean of each value over the utterances that have one.
    """

    def __init__(self, data: ConversionTestData) -> None:
        self.data = data

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return the values of an utterance; the names are the same for every utterance."""
        raise NotImplementedError

    def of_data(self) -> Mapping[str, Any]:
        """Return values that do not depend on a conversion, such as the accuracy on natural speech."""
        return {}


CONVERSION_METRICS = Registry[ConversionMetric]("metric of conversions", "sqspeech.evaluation.metrics")
