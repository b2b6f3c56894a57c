"""Accuracy of the target speaker, by a classifier of natural speech."""

from collections.abc import Mapping
from typing import Any

from sqspeech.evaluation.judges.speaker_classifier import SpeakerClassifier
from sqspeech.evaluation.metrics.conversion_metric import (
    CONVERSION_METRICS,
    ConversionMetric,
    ConversionTestData,
    ConvertedUtterance,
)
from sqspeech.progress import track


@CONVERSION_METRICS.register("speaker")
class TargetSpeaker(ConversionMetric):
    """Share of utterances in % that are classified as the target speaker."""

    def __init__(self, data: ConversionTestData) -> None:
        super().__init__(data)
        rate, train = data.sample_rate, data.train
        natural = [(u.read(rate), u.spk_id) for u in track(train, "training recordings", len(train))]
        self.classifier = SpeakerClassifier(natural, rate)

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return `speaker`: 100 for the target speaker, else 0."""
        return {"speaker": 100.0 * (self.classifier.classify(converted.speech.samples) == converted.speaker)}

    def of_data(self) -> Mapping[str, Any]:
        """Return `natural_speaker`, the accuracy on the natural test recordings in %."""
        return {"natural_speaker": self.classifier.accuracy(self.data.test)}
