"""Distance of the median F0 to the target speaker's."""

from collections.abc import Mapping

import numpy as np

from sqspeech.evaluation.metrics.conversion_metric import CONVERSION_METRICS, ConversionMetric, ConvertedUtterance
from sqspeech.pitch import quick_f0


@CONVERSION_METRICS.register("pitch")
class TargetPitch(ConversionMetric):
    """Distance of the median F0 to the target speaker's, |12 log2 of the ratio| semitones."""

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return `pitch_semitones`; None where no frame is voiced or the target's pitch is not known."""
        target = self.data.pitch.get(converted.speaker)
        f0 = quick_f0(converted.speech.samples, self.data.sample_rate, self.data.hop_length)
        if target is None or not (f0 > 0).any():
            return {"pitch_semitones": None}
        return {"pitch_semitones": float(abs(12 * np.log2(np.median(f0[f0 > 0]) / target.median_hz)))}
