"""Fundamental frequency as the best path through the peaks of autocorrelations."""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

# Of the longest period, in a frame; Hz above which nothing is looked at; peaks of a frame.
PERIODS, HIGHEST_USED, CANDIDATES = 3.0, 4000.0, 6
# The costs, in steps of 10 ms: an octave lower; an octave between two frames; a beginning or an end of voicing.
OCTAVE, JUMP, VOICING = 0.01, 0.5, 0.14
# The autocorrelation that makes a frame voiced, and the level, of the loudest frame's, below which none is. Boersma has
# 0.45 and 0.03, and 0.35 for JUMP: weak and hoarse voices would be lost.
VOICED, QUIET = 0.25, 0.001
STEP = 0.01
FRAMES_AT_ONCE = 512

type Values = NDArray[np.float64]


def search_f0(samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int, floor: float, ceil: float) -> Values:
    """Return F0 in Hz at T = 1 + N // hop_length frames, 0 where unvoiced (Boersma, IFA Proceedings 17, 1993).

    Each frame's autocorrelation is divided by that of the window. Its peaks between `floor` and `ceil`, and unvoiced,
    are the candidates; the path through them that repeats best and jumps least is found by dynamic programming.
    """
    count = 1 + len(samples) // hop_length
    width = round(PERIODS * sample_rate / floor)
    padded = np.pad(samples.astype(np.float32), (width // 2, width))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop_length][:count]
    peaks = _Peaks(width, sample_rate, floor, ceil)
    parts = [peaks(frames[first : first + FRAMES_AT_ONCE]) for first in range(0, count, FRAMES_AT_ONCE)]
    f0, strength, level = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    silence = np.maximum(0, 2 - level / max(level.max(), 1e-30) * (1 + VOICED) / QUIET)
    strength = np.column_stack([VOICED + silence, strength])
    f0 = np.column_stack([np.zeros(count), f0])
    path = _best_path(strength, _costs(f0) * (STEP * sample_rate / hop_length))
    return f0[np.arange(count), path]


class _Peaks:
    """F0 and strength (T, C) of the highest peaks of frames, and the frames' largest amplitudes (T,)."""

    def __init__(self, width: int, sample_rate: int, floor: float, ceil: float) -> None:
        self.rate, self.floor = sample_rate, floor
        self.shortest, self.longest = int(sample_rate / ceil), int(sample_rate / floor) + 1
        self.n_fft = 1 << (width + self.longest).bit_length()
        self.window = np.hanning(width + 2)[1:-1].astype(np.float32)
        self.used = np.fft.rfftfreq(self.n_fft, 1 / sample_rate) <= HIGHEST_USED
        self.of_window = self._autocorrelation(np.ones((1, width), np.float32))

    def __call__(self, frames: NDArray[np.float32]) -> tuple[Values, Values, Values]:
        """Return the candidates of frames (T, W); where there are fewer, a strength is -inf."""
        frames = frames - frames.mean(1, keepdims=True)
        r = self._autocorrelation(frames) / self.of_window
        inner, before, after = r[:, 1:-1], r[:, :-2], r[:, 2:]
        lags = np.arange(self.shortest, self.longest + 1)
        strength = inner - OCTAVE * np.log2(self.floor * lags / self.rate)
        strength[(inner <= before) | (inner < after)] = -np.inf
        best = np.argpartition(-strength, min(CANDIDATES, len(lags)) - 1, axis=1)[:, :CANDIDATES]
        rows = np.arange(len(frames))[:, None]
        left, middle, right = (part[rows, best] for part in (before, inner, after))
        # The vertex of the parabola through three points.
        slope, bend = right - left, np.maximum(2 * middle - left - right, 1e-12)
        at = np.clip(0.5 * slope / bend, -0.5, 0.5)
        return self.rate / (lags[best] + at), strength[rows, best] + slope * at / 4, np.abs(frames).max(1)

    def _autocorrelation(self, frames: NDArray[np.float32]) -> Values:
        """Return autocorrelations (T, L) relative to that of lag 0: of the lags, of one less and of one more."""
        power = np.abs(np.fft.rfft(frames * self.window, self.n_fft)) ** 2 * self.used
        found = np.fft.irfft(power, self.n_fft)
        return (found[:, self.shortest - 1 : self.longest + 2] / np.maximum(found[:, :1], 1e-20)).astype(np.float64)


def _costs(f0: Float[np.ndarray, "T C"]) -> Values:
    """Return the cost (T - 1, C, C) of each candidate of a frame after each of the frame before."""
    voiced = f0 > 0
    octaves = np.log2(np.where(voiced, f0, 1.0))
    both = voiced[1:, :, None] & voiced[:-1, None]
    one = voiced[1:, :, None] ^ voiced[:-1, None]
    return JUMP * both * np.abs(octaves[1:, :, None] - octaves[:-1, None]) + VOICING * one


def _best_path(strength: Float[np.ndarray, "T C"], costs: Float[np.ndarray, "S C C"]) -> NDArray[np.intp]:
    """Return the candidate (T,) of each frame: the largest sum of strengths less costs (Viterbi)."""
    best, chosen = strength[0], np.zeros(costs.shape[:2], np.intp)
    for step, cost in enumerate(costs):
        totals = best - cost
        chosen[step] = totals.argmax(1)
        best = strength[step + 1] + totals.max(1)
    path = np.zeros(len(strength), np.intp)
    path[-1] = best.argmax()
    for step in range(len(costs) - 1, -1, -1):
        path[step] = chosen[step, path[step + 1]]
    return path
