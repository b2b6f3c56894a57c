"""Unit error rate."""

from collections.abc import Mapping

import torchaudio

from sqspeech.evaluation.metrics.conversion_metric import CONVERSION_METRICS, ConversionMetric, ConvertedUtterance
from sqspeech.evaluation.metrics.symbols import symbols


@CONVERSION_METRICS.register("unit_error")
class UnitError(ConversionMetric):
    """Edit distance of the units to the source's, in % of these.

    With several stages a unit is the tuple of a step's codes.
    """

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return `unit_error`; None where the model has no codebook."""
        codes, source = converted.speech.codes, converted.source.codes
        if codes is None or source is None:
            return {"unit_error": None}
        distance = torchaudio.functional.edit_distance(symbols(codes), symbols(source))
        return {"unit_error": 100 * float(distance) / len(source)}
