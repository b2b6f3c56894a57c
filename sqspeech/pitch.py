"""Fundamental frequency and aperiodicity of speech, and the pitch of a speaker."""

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sqspeech.f0_search import search_f0

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import pyworld as pyworld  # for `sqspeech.vocoders.world`, too

# In Hz, of nearly any speaker; and of all that is searched where a speaker seems to be outside.
F0_FLOOR, F0_CEIL = 60.0, 500.0
LOWEST, HIGHEST = 40.0, 1100.0
# Speech whose quartiles are so close to the floor or the ceiling may go on beyond it. It does if a wider search finds
# so many times the voiced frames, and the louder half of them, so correlated, repeats after the period found.
NEAR_FLOOR, NEAR_CEIL, MORE, PERIODIC = 1.15, 0.85, 1.1, 0.7
# Of one speaker, by the quartiles of a first search: octave errors fall outside (De Looze and Hirst, Speech
# Prosody 2008; their 1.5 is for lively speech 2.5 and loses few frames of either).
BELOW_FIRST_QUARTILE, ABOVE_THIRD_QUARTILE = 0.75, 1.5
# Fewer voiced frames than this give no range of a speaker.
ENOUGH = 20
# Of the spreads of two speakers: an utterance that hardly moves must not be blown up.
LEAST_RATIO, MOST_RATIO = 0.5, 2.0


@dataclass(frozen=True, kw_only=True)
class SpeakerPitch:
    """Mean and standard deviation of ln F0 (F0 in Hz) over the voiced frames of a speaker."""

    log_mean: float
    log_std: float

    @property
    def median_hz(self) -> float:
        """The F0 at the mean of its logarithm."""
        return float(np.exp(self.log_mean))


class Excitation:
    """The source of T frames of speech.

    Parameters
    ----------
    f0
        Shape (T,), in Hz, 0 where unvoiced.
    aperiodicity
        Shape (T, F), in [0, 1]: the share of noise in the amplitude at F frequencies from 0 to half the rate. Or a
        function that returns it, called when it is read: most of an analysis is saved where a vocoder needs F0 alone.
    """

    def __init__(
        self, *, f0: NDArray[np.float64], aperiodicity: NDArray[np.float64] | Callable[[], NDArray[np.float64]]
    ) -> None:
        self.f0, self._aperiodicity = f0, aperiodicity

    @cached_property
    def aperiodicity(self) -> NDArray[np.float64]:
        """The aperiodicity, shape (T, F)."""
        return self._aperiodicity() if callable(self._aperiodicity) else self._aperiodicity

    def part(self, frames: slice) -> "Excitation":
        """Return that of some of the frames."""
        return Excitation(f0=self.f0[frames], aperiodicity=lambda: self.aperiodicity[frames])


def quick_f0(samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int) -> NDArray[np.float64]:
    """Return F0 in Hz at T = 1 + N // hop_length frames, 0 where unvoiced: DIO refined by StoneMask (WORLD).

    It is sought from `F0_FLOOR` to `F0_CEIL`, and from `LOWEST` to `HIGHEST` where the speaker seems to be outside.
    """
    signal = samples.astype(np.float64)
    f0 = _dio(signal, sample_rate, hop_length, F0_FLOOR, F0_CEIL)
    if _is_inside(f0):
        return f0
    wider = _dio(signal, sample_rate, hop_length, LOWEST, HIGHEST)
    more = np.count_nonzero(wider) > max(ENOUGH, MORE * np.count_nonzero(f0))
    return wider if more and _repeats(signal, wider, sample_rate, hop_length) else f0


def _dio(signal: NDArray[np.float64], rate: int, hop_length: int, floor: float, ceil: float) -> NDArray[np.float64]:
    coarse, times = pyworld.dio(signal, rate, f0_floor=floor, f0_ceil=ceil, frame_period=1000 * hop_length / rate)
    return _frames(pyworld.stonemask(signal, coarse, times, rate), 1 + len(signal) // hop_length)


def _is_inside(f0: NDArray[np.float64]) -> bool:
    voiced = f0[f0 > 0]
    if len(voiced) < ENOUGH:
        return False
    low, high = np.quantile(voiced, [0.25, 0.75])
    return bool(low > NEAR_FLOOR * F0_FLOOR and high < NEAR_CEIL * F0_CEIL)


def _repeats(signal: NDArray[np.float64], f0: NDArray[np.float64], rate: int, hop_length: int) -> bool:
    """Return whether the signal, where it is loud, repeats after the periods: noise and the mains' hum do not."""
    length = 2 * round(rate / LOWEST)
    starts = [n * hop_length - length // 2 for n in range(len(f0))]
    blocks = {n: signal[at : at + 2 * length] for n, at in enumerate(starts) if 0 <= at <= len(signal) - 2 * length}
    loudness = {n: float(block @ block) for n, block in blocks.items()}
    if not blocks:
        return False
    middle = float(np.median(list(loudness.values())))
    loud = [(block, float(f0[n])) for n, block in blocks.items() if loudness[n] >= middle]
    similar = [_correlation(block, round(rate / hz), length) if hz else 0.0 for block, hz in loud]
    return float(np.median(similar)) > PERIODIC


def _correlation(block: NDArray[np.float64], lag: int, length: int) -> float:
    one, other = block[:length], block[lag : lag + length]
    return float(one @ other) / max(math.sqrt(float(one @ one) * float(other @ other)), 1e-30)


def f0_range(f0: NDArray[np.float64]) -> tuple[float, float]:
    """Return the floor and the ceiling in Hz of the speaker of these frames.

    They are within `F0_FLOOR` and `F0_CEIL`, which they are where too few frames are voiced, unless the speech is not.
    """
    voiced = f0[f0 > 0]
    if len(voiced) < ENOUGH:
        return F0_FLOOR, F0_CEIL
    low, high = np.quantile(voiced, [0.25, 0.75])
    # What the mains' hum of 60 Hz is taken for is not speech below.
    floor, ceil = F0_FLOOR if low > 0.98 * F0_FLOOR else LOWEST, F0_CEIL if high <= F0_CEIL else HIGHEST
    return max(floor, BELOW_FIRST_QUARTILE * low), min(ceil, ABOVE_THIRD_QUARTILE * high)


def track_f0(
    samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int, limits: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Return F0 in Hz at T = 1 + N // hop_length frames, 0 where unvoiced: `search_f0` refined by StoneMask (WORLD).

    It is sought within the speaker's range, by default that of `f0_range` over a first quick search, which excludes
    octave errors. Frames that hardly repeat are voiced, too: `aperiodicity` tells which of them are noise.
    """
    limits = limits or f0_range(quick_f0(samples, sample_rate, hop_length))
    signal = samples.astype(np.float64)
    coarse = search_f0(signal, sample_rate, hop_length, *limits)
    times = np.arange(len(coarse)) * (hop_length / sample_rate)
    refined: NDArray[np.float64] = pyworld.stonemask(signal, coarse, times, sample_rate)
    return refined


def harvest_f0(samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int) -> NDArray[np.float64]:
    """Return F0 as `track_f0` does, by Harvest (WORLD): much slower, and independent of what speech was made with."""
    low, high = f0_range(quick_f0(samples, sample_rate, hop_length))
    period = 1000 * hop_length / sample_rate
    f0, _ = pyworld.harvest(samples.astype(np.float64), sample_rate, f0_floor=low, f0_ceil=high, frame_period=period)
    return _frames(f0, 1 + len(samples) // hop_length)


def aperiodicity(
    samples: Float[np.ndarray, " N"], f0: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the aperiodicity (T, F) of samples whose F0 (T,) is known: D4C (WORLD).

    A frame that D4C finds to be noise alone is 1 at all frequencies, whatever its F0.
    """
    times = np.arange(len(f0)) * (hop_length / sample_rate)
    found: NDArray[np.float64] = pyworld.d4c(samples.astype(np.float64), f0, times, sample_rate)
    return found


def envelope(
    samples: Float[np.ndarray, " N"], f0: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the power envelope (T, F) of samples whose F0 (T,) is known, free of its harmonics: CheapTrick (WORLD)."""
    times = np.arange(len(f0)) * (hop_length / sample_rate)
    found: NDArray[np.float64] = pyworld.cheaptrick(samples.astype(np.float64), f0, times, sample_rate)
    return found


def speaker_pitch(tracks: Iterable[NDArray[np.float64]]) -> SpeakerPitch | None:
    """Return the pitch of a speaker from F0 tracks, within `f0_range` of them all; None if too few are voiced."""
    f0 = np.concatenate([np.zeros(0), *tracks])
    low, high = f0_range(f0)
    voiced = np.log(f0[(f0 >= low) & (f0 <= high)])
    if len(voiced) < ENOUGH:
        return None
    return SpeakerPitch(log_mean=float(voiced.mean()), log_std=float(voiced.std()))


def move_f0(f0: NDArray[np.float64], source: SpeakerPitch, target: SpeakerPitch) -> NDArray[np.float64]:
    """Return F0 with the source's mean and standard deviation of the logarithm made the target's."""
    ratio = np.clip(target.log_std / max(source.log_std, 1e-3), LEAST_RATIO, MOST_RATIO)
    voiced = f0 > 0
    moved = np.exp((np.log(np.where(voiced, f0, 1.0)) - source.log_mean) * ratio + target.log_mean)
    floor, ceil = min(F0_FLOOR, 0.75 * target.median_hz), max(F0_CEIL, 1.5 * target.median_hz)
    return np.where(voiced, np.clip(moved, floor, ceil), 0.0)


def shift_f0(f0: NDArray[np.float64], semitones: float) -> NDArray[np.float64]:
    """Return F0 shifted by semitones, within what speech has or what it was."""
    shifted = np.clip(f0 * 2 ** (semitones / 12), np.minimum(F0_FLOOR, f0), np.maximum(F0_CEIL, f0))
    return np.where(f0 > 0, shifted, 0.0)


def _frames(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.pad(values[:count], (0, max(0, count - len(values))))
