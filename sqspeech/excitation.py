"""What the vocal folds do: the fundamental frequency and the aperiodicity of speech, and the pitch of a speaker."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import pyworld

# In Hz, of any speaker.
F0_FLOOR, F0_CEIL = 60.0, 500.0
# Of one speaker, by the quartiles of a first search: octave errors fall outside (De Looze and Hirst, Speech
# Prosody 2008; their 1.5 is for lively speech 2.5 and loses few frames of either).
BELOW_FIRST_QUARTILE, ABOVE_THIRD_QUARTILE = 0.75, 1.5
# Fewer voiced frames than this say nothing of a speaker's range.
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


@dataclass(frozen=True, kw_only=True)
class Excitation:
    """The source of T frames of speech.

    Attributes
    ----------
    f0
        Shape (T,), in Hz, 0 where unvoiced.
    aperiodicity
        Shape (T, F), in [0, 1]: the share of noise in the amplitude at F frequencies from 0 to half the rate.
    """

    f0: NDArray[np.float64]
    aperiodicity: NDArray[np.float64]


def quick_f0(
    samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int, floor: float = F0_FLOOR, ceil: float = F0_CEIL
) -> NDArray[np.float64]:
    """Return F0 in Hz at T = 1 + N // hop_length frames, 0 where unvoiced: DIO refined by StoneMask (WORLD)."""
    signal = samples.astype(np.float64)
    period = 1000 * hop_length / sample_rate
    coarse, times = pyworld.dio(signal, sample_rate, f0_floor=floor, f0_ceil=ceil, frame_period=period)
    return _frames(pyworld.stonemask(signal, coarse, times, sample_rate), 1 + len(samples) // hop_length)


def f0_range(f0: NDArray[np.float64]) -> tuple[float, float]:
    """Return the floor and the ceiling in Hz of the speaker of these frames; the widest where too few are voiced."""
    voiced = f0[f0 > 0]
    if len(voiced) < ENOUGH:
        return F0_FLOOR, F0_CEIL
    low, high = np.quantile(voiced, [0.25, 0.75])
    return max(F0_FLOOR, BELOW_FIRST_QUARTILE * low), min(F0_CEIL, ABOVE_THIRD_QUARTILE * high)


def track_f0(
    samples: Float[np.ndarray, " N"], sample_rate: int, hop_length: int, limits: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Return F0 in Hz at T = 1 + N // hop_length frames, 0 where unvoiced.

    Harvest (WORLD) within the speaker's range, by default that of `f0_range` over a first quick search: narrower
    is faster, and leaves octave errors no room.
    """
    low, high = limits or f0_range(quick_f0(samples, sample_rate, hop_length))
    period = 1000 * hop_length / sample_rate
    f0, _ = pyworld.harvest(samples.astype(np.float64), sample_rate, f0_floor=low, f0_ceil=high, frame_period=period)
    return _frames(f0, 1 + len(samples) // hop_length)


def aperiodicity(
    samples: Float[np.ndarray, " N"], f0: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the aperiodicity (T, F) of samples whose F0 (T,) is known: D4C (WORLD).

    A frame that D4C hears as noise alone is 1 at all frequencies, whatever its F0.
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


def synthesize(
    excitation: Excitation, envelope: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the samples of an excitation through a power envelope (T, F), about T * hop_length of them (WORLD)."""
    period = 1000 * hop_length / sample_rate
    samples: NDArray[np.float64] = pyworld.synthesize(
        excitation.f0, envelope, excitation.aperiodicity, sample_rate, period
    )
    return samples


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
    return np.where(voiced, np.clip(moved, F0_FLOOR, F0_CEIL), 0.0)


def shift_f0(f0: NDArray[np.float64], semitones: float) -> NDArray[np.float64]:
    """Return F0 shifted by semitones, within what a voice has."""
    return np.where(f0 > 0, np.clip(f0 * 2 ** (semitones / 12), F0_FLOOR, F0_CEIL), 0.0)


def _frames(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.pad(values[:count], (0, max(0, count - len(values))))
