"""Distances of F0 to the reference, frame by frame."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.conversion_metric import CONVERSION_METRICS, ConversionMetric, ConvertedUtterance

# Fewer frames that are voiced in both utterances make no curve.
LEAST_FRAMES = 10


def f0_distances(f0: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the distances of two F0 curves.

    Parameters
    ----------
    f0, reference
        Shape (P,) each, aligned, in Hz, 0 where unvoiced.

    Returns
    -------
    distances
        `f0_rmse_semitones` and `f0_correlation` of ln F0 over the frames that are voiced in both, None for fewer than
        10 such frames or, for the correlation, a constant curve; `voicing_error`, the share of the frames in % that
        are voiced in one of the two only.
    """
    both = (f0 > 0) & (reference > 0)
    one, other = 12 * np.log2(f0[both]), 12 * np.log2(reference[both])
    rmse = correlation = None
    if both.sum() >= LEAST_FRAMES:
        rmse = float(np.sqrt(np.mean((one - other) ** 2)))
        correlation = float(np.corrcoef(one, other)[0, 1]) if min(np.ptp(one), np.ptp(other)) else None
    voicing = 100 * float(np.mean((f0 > 0) != (reference > 0)))
    return {"f0_rmse_semitones": rmse, "f0_correlation": correlation, "voicing_error": voicing}


@CONVERSION_METRICS.register("f0")
class F0Distance(ConversionMetric):
    """Distances of F0 to the reference along the DTW path."""

    def __call__(self, converted: ConvertedUtterance) -> Mapping[str, float | None]:
        """Return the distances (see `f0_distances`); None without a reference."""
        if converted.reference is None:
            return dict.fromkeys(("f0_rmse_semitones", "f0_correlation", "voicing_error"))
        path = converted.path
        return f0_distances(converted.speech.analysis.f0[path[:, 0]], converted.reference.analysis.f0[path[:, 1]])
