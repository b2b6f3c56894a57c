"""A band-limited pulse train in closed form, whose samples depend on the nearest frames alone."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sqspeech.features import LogMelConfig

# F0 in Hz where nothing is voiced; no pulse of it is heard.
REST = 100.0
# The sine of half the phase that is that of a pulse: nearer, its kernel would be a quotient of two that vanish.
AT_PULSE = 1e-4


@dataclass(frozen=True, kw_only=True)
class PulseTrack:
    """The pulses at the centres of T frames.

    Attributes
    ----------
    f0
        In Hz, positive in every frame.
    voicing
        The amplitude: 1 where voiced, else 0.
    phase
        Of the fundamental, in radians; whole turns do not count. A pulse is at phase 0.
    """

    f0: Float[Tensor, "B T"]
    voicing: Float[Tensor, "B T"]
    phase: Float[Tensor, "B T"]

    @classmethod
    def of(cls, f0: Float[Tensor, "B T"], phase: Float[Tensor, "B T"]) -> "PulseTrack":
        """Return the track of F0 in Hz, 0 where unvoiced, with the phase of each frame."""
        return cls(f0=fill(f0), voicing=(f0 > 0).to(f0.dtype), phase=phase)

    def extended(self, frames: int, config: LogMelConfig) -> "PulseTrack":
        """Return the track with so many frames more on either side, as the outermost frames are."""
        turns = turn(config) * torch.arange(1, frames + 1, dtype=self.f0.dtype, device=self.f0.device)
        before = self.phase[:, :1] - turns.flip(0) * self.f0[:, :1]
        after = self.phase[:, -1:] + turns * self.f0[:, -1:]
        f0, voicing = (functional.pad(x, (frames, frames), mode="replicate") for x in (self.f0, self.voicing))
        return PulseTrack(f0=f0, voicing=voicing, phase=torch.cat([before, self.phase, after], dim=1))

    def part(self, first: int, last: int) -> "PulseTrack":
        """Return that of the frames `first` to `last`."""
        f0, voicing, phase = (x[:, first:last] for x in (self.f0, self.voicing, self.phase))
        return PulseTrack(f0=f0, voicing=voicing, phase=phase)

    def samples(self, config: LogMelConfig) -> Float[Tensor, "B N"]:
        """Return N = (T - 1) * hop_length samples from the centre of the first frame on, of power 1 where voiced.

        F0 and the amplitude are linear between the frames, and what the phases differ from the integral of F0 is
        spread evenly. The pulses are the sum of the cosines of all harmonics below half the sample rate: a Dirichlet
        kernel.
        """
        share = torch.arange(config.hop_length, dtype=self.f0.dtype, device=self.f0.device) / config.hop_length
        f0, change = self.f0[:, :-1, None], self.f0.diff(dim=1).unsqueeze(-1)
        advance = turn(config) * (f0 * share + change * share.square() / 2)
        whole = turn(config) * (f0 + change / 2)
        shift = _wrapped(self.phase.diff(dim=1).unsqueeze(-1) - whole)
        phase = _wrapped(self.phase[:, :-1, None] + advance + shift * share)
        voicing = self.voicing[:, :-1, None] + self.voicing.diff(dim=1).unsqueeze(-1) * share
        return (voicing * cosines(phase, f0 + change * share, config.sample_rate)).flatten(1)


def cosines(phase: Float[Tensor, "*S"], f0: Float[Tensor, "*S"], sample_rate: int) -> Float[Tensor, "*S"]:
    """Return Σ cos(k · phase) · √(2 / K) over the K harmonics of F0 below half the sample rate; phase in [−π, π]."""
    count = torch.floor(sample_rate / 2 / f0).clamp(min=1)
    half = torch.sin(phase / 2)
    at_pulse = half.abs() < AT_PULSE
    kernel = torch.sin((count + 0.5) * phase) / torch.where(at_pulse, 1.0, half)
    return (torch.where(at_pulse, 2 * count + 1, kernel) - 1) / 2 * torch.sqrt(2 / count)


def fill(f0: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return F0 with that of a voiced neighbour where a frame is unvoiced, and `REST` where there is none."""
    before, after = functional.pad(f0, (1, 0))[:, :-1], functional.pad(f0, (0, 1))[:, 1:]
    near = torch.where(before > 0, before, after)
    return torch.where(f0 > 0, f0, torch.where(near > 0, near, REST))


def running_phase(f0: Float[Tensor, "B T"], config: LogMelConfig) -> Float[Tensor, "B T"]:
    """Return the phase of each frame for pulses that begin at phase 0, in [−π, π], by the F0 that `fill` gives."""
    filled = fill(f0.double())
    steps = turn(config) * (filled[:, :-1] + filled[:, 1:]) / 2
    return _wrapped(functional.pad(steps.cumsum(1), (1, 0))).to(f0.dtype)


def turn(config: LogMelConfig) -> float:
    """Return the change of the phase from frame to frame for each Hz."""
    return 2 * math.pi * config.hop_length / config.sample_rate


def _wrapped(phase: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return phase - 2 * math.pi * torch.round(phase / (2 * math.pi))
