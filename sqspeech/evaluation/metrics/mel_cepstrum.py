"""Mel-cepstra from WORLD's spectral envelope, and their alignment."""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sqspeech.pitch import envelope, harvest_f0

ORDER = 24
# Of the bilinear warping of the frequency axis: the mel scale at 16 kHz, as in SPTK.
WARPING = 0.42
# Frames this much below the loudest are silence.
AUDIBLE_DB = 40.0
HOP_SECONDS = 0.005

type Samples = NDArray[np.float32]


class Analysis:
    """WORLD analysis of an utterance every 5 ms, without silence.

    Attributes
    ----------
    f0
        Shape (T,), in Hz, 0 where unvoiced.
    cepstrum
        Shape (T, 25): ln |H| = c0 + sum of c_m cos(m w), w the warped frequency.
    """

    def __init__(self, samples: Samples, sample_rate: int) -> None:
        hop = round(HOP_SECONDS * sample_rate)
        f0 = harvest_f0(samples, sample_rate, hop)
        cepstrum = mel_cepstrum(envelope(samples, f0, sample_rate, hop))
        audible = cepstrum[:, 0] > cepstrum[:, 0].max() - AUDIBLE_DB * np.log(10) / 20
        self.f0, self.cepstrum = f0[audible], cepstrum[audible]


def mel_cepstrum(power: Float[np.ndarray, "T F"]) -> NDArray[np.float64]:
    """Return the mel-cepstra (T, 25) of power spectra at F frequencies from 0 to half the sample rate."""
    grid = np.linspace(0, np.pi, power.shape[1])
    # The frequency that the warping takes to each point of the grid: that of the inverse, whose sign is turned.
    source = grid - 2 * np.arctan(WARPING * np.sin(grid) / (1 + WARPING * np.cos(grid)))
    logarithm = 0.5 * np.log(power)
    warped = np.stack([np.interp(source, grid, frame) for frame in logarithm])
    cepstrum: NDArray[np.float64] = np.fft.irfft(warped, axis=1)[:, : ORDER + 1]
    cepstrum[:, 1:] *= 2
    return cepstrum


def align(a: Analysis, b: Analysis) -> NDArray[np.intp]:
    """Return the DTW path (P, 2) of pairs of frames with the least sum of distances between cepstra without c0."""
    import librosa  # slow to import, and not needed for units

    _, path = librosa.sequence.dtw(a.cepstrum[:, 1:].T, b.cepstrum[:, 1:].T)
    found: NDArray[np.intp] = path[::-1]
    return found
