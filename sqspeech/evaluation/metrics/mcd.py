"""Mel-cepstral distortion."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.conversion_metric import CONVERSION_METRICS, ConversionMetric, ConvertedUtterance
from sqspeech.evaluation.metrics.mel_cepstrum import Analysis


def cepstral_distortion(a: Analysis, b: Analysis, path: NDArray[np.intp], first: int = 1) -> float:
    """Return the mean over a path (P, 2) of 10 / ln 10 sqrt(2 sum (a_m - b_m)^2) in dB, m from `first` to 24."""
    difference = a.cepstrum[path[:, 0], first:] - b.cepstrum[path[:, 1], first:]
    return float(10 / np.log(10) * np.sqrt(2 * np.square(difference).sum(1)).mean())


@CONVERSION_METRICS.register("mcd")
class MelCepstralDistortion(ConversionMetric):
    """Mel-cepstral distortion to the reference in dB, without and with c0."""

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return `mcd_db` and `mcd_c0_db`; None without a reference."""
        if converted.reference is None:
            return {"mcd_db": None, "mcd_c0_db": None}
        a, b = converted.speech.analysis, converted.reference.analysis
        return {
            "mcd_db": cepstral_distortion(a, b, converted.path),
            "mcd_c0_db": cepstral_distortion(a, b, converted.path, 0),
        }
