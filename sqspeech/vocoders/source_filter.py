"""Source-filter network: pulses and noise, each through a filter that log-mel and F0 determine frame by frame."""

from dataclasses import dataclass as plain_dataclass

import torch
from jaxtyping import Complex, Float
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.features import LogMelConfig
from sqspeech.vocoders.pulses import PulseTrack

# Gains begin so far below those of speech, as logarithms, and grow no further than this.
FIRST_HARMONIC, FIRST_NOISE, MOST = -3.5, -4.5, 4.0
# Beside the bands: ln F0, whether voiced, F0.
PITCH_INPUTS = 3


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class SourceFilterConfig:
    """ConvNeXt blocks (Liu et al., CVPR 2022) of `width` channels, `expansion` times as many inside.

    `kernel_size` is that of every convolution over frames. Filters have a window of `overlap` hops.
    """

    width: int = Field(default=192, ge=1)
    blocks: int = Field(default=6, ge=1)
    expansion: int = Field(default=3, ge=1)
    kernel_size: int = Field(default=7, ge=1)
    overlap: int = Field(default=4, ge=4)

    @model_validator(mode="after")
    def _check(self) -> "SourceFilterConfig":
        if self.kernel_size % 2 == 0 or self.overlap % 2:
            raise ValueError(f"kernel_size {self.kernel_size} must be odd and overlap {self.overlap} even")
        return self


@plain_dataclass(frozen=True, kw_only=True)
class Filters:
    """Of each frame, the complex gain of the pulses and the gain of the noise at F frequencies."""

    harmonic: Complex[Tensor, "B T F"]
    noise: Float[Tensor, "B T F"]

    def part(self, first: int, last: int) -> "Filters":
        """Return those of the frames `first` to `last`."""
        return Filters(harmonic=self.harmonic[:, first:last], noise=self.noise[:, first:last])


class SourceFilter(nn.Module):
    """Log-mel and F0 to filters, and pulses and noise through the filters to the pre-emphasised signal.

    The spectrum of a frame is eᵃ (c + i d) · STFT(pulses) + eᵇ · STFT(noise), where a, b, c and d come from
    convolutions over the frames.

    Parameters
    ----------
    config
        Its size.
    features
        The parameters of the log-mel.

    Attributes
    ----------
    context
        The frames on either side that the filters of a frame depend on.
    edge
        The frames on either side whose spectra a sample depends on.
    """

    window: Tensor

    def __init__(self, config: SourceFilterConfig, features: LogMelConfig) -> None:
        super().__init__()
        self.config, self.features = config, features
        self.n_fft = config.overlap * features.hop_length
        self.context = (1 + config.blocks) * (config.kernel_size // 2)
        self.edge = config.overlap // 2
        width = config.width
        self.first = nn.Conv1d(
            features.n_mels + PITCH_INPUTS, width, config.kernel_size, padding=config.kernel_size // 2
        )
        self.first_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, 4 * (self.n_fft // 2 + 1))
        self._begin()
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)

    def forward(
        self,
        mel: Float[Tensor, "B T M"],
        f0: Float[Tensor, "B T"],
        phase: Float[Tensor, "B T"],
        noise: Float[Tensor, "B N2"],
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        """Return N = (T - 1) * hop_length samples, and their harmonic part.

        Parameters
        ----------
        mel, f0, phase
            Of T frames; F0 in Hz, 0 where unvoiced; see `PulseTrack`.
        noise
            Of N + n_fft samples, white, of power 1.
        """
        filters, envelope = self.filters(mel, f0), self.envelope(mel.shape[1])
        pulses = PulseTrack.of(f0, phase).extended(self.edge, self.features).samples(self.features)
        harmonic, noisy = self._filtered(filters.harmonic, pulses), self._filtered(filters.noise, noise)
        added = self.overlap_add(torch.cat([harmonic + noisy, harmonic]))
        wave, part = self.trim(added, envelope).chunk(2)
        return wave, part

    def filters(self, mel: Float[Tensor, "B T M"], f0: Float[Tensor, "B T"]) -> Filters:
        """Return the filters of the frames."""
        voiced = f0 > 0
        log_f0 = torch.where(voiced, torch.log(f0.clamp(min=1) / 150), 0.0)
        pitch = torch.stack([2 * log_f0, voiced.to(f0.dtype), f0 / 100], dim=-1)
        inputs = torch.cat([4 * (mel - 0.4), pitch], dim=-1)
        hidden = self.first_norm(self.first(inputs.mT).mT)
        for block in self.blocks:
            hidden = block(hidden)
        a, b, c, d = self.last(self.norm(hidden)).float().chunk(4, dim=-1)
        gain = torch.exp(a.clamp(max=MOST))
        return Filters(harmonic=torch.complex(gain * c, gain * d), noise=torch.exp(b.clamp(max=MOST)))

    def frames(
        self, filters: Filters, pulses: Float[Tensor, "B N2"], noise: Float[Tensor, "B N2"]
    ) -> Float[Tensor, "B T W"]:
        """Return the windowed signal of each frame, from pulses and noise of (T - 1) * hop_length + n_fft samples."""
        return self._filtered(filters.harmonic, pulses) + self._filtered(filters.noise, noise)

    def overlap_add(self, frames: Float[Tensor, "B T W"]) -> Float[Tensor, "B N2"]:
        """Return the sum of the frames, each hop_length after the one before."""
        overlap = self.config.overlap
        parts = frames.reshape(*frames.shape[:2], overlap, -1).unbind(2)
        moved = [functional.pad(part, (0, 0, at, overlap - 1 - at)) for at, part in enumerate(parts)]
        return torch.stack(moved).sum(0).flatten(1)

    def envelope(self, length: int) -> Float[Tensor, "1 N2"]:
        """Return the overlapped squares of the windows of so many frames, by which their sum is divided."""
        return self.overlap_add(self.window.square().expand(1, length, -1))

    def trim(self, added: Float[Tensor, "B N2"], envelope: Float[Tensor, "1 N2"]) -> Float[Tensor, "B N"]:
        """Return the samples from the centre of the first frame to that of the last."""
        half = self.n_fft // 2
        return added[:, half:-half] / envelope[:, half:-half]

    def _filtered(self, gains: Tensor, source: Float[Tensor, "B N2"]) -> Float[Tensor, "B T W"]:
        spectra = torch.fft.rfft(source.unfold(1, self.n_fft, self.features.hop_length) * self.window)
        filtered: Tensor = torch.fft.irfft(gains * spectra, n=self.n_fft) * self.window
        return filtered

    def _begin(self) -> None:
        nn.init.normal_(self.last.weight, std=0.01)
        gain, noise, real, imaginary = self.last.bias.detach().chunk(4)
        for part, value in ((gain, FIRST_HARMONIC), (noise, FIRST_NOISE), (real, 1.0), (imaginary, 0.0)):
            part.fill_(value)


class Block(nn.Module):
    """Depthwise convolution over the frames and two layers over the channels, added to what comes in (ConvNeXt)."""

    def __init__(self, config: SourceFilterConfig) -> None:
        super().__init__()
        width, inner = config.width, config.expansion * config.width
        padding = config.kernel_size // 2
        self.depthwise = nn.Conv1d(width, width, config.kernel_size, padding=padding, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, hidden: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """Return the sum."""
        mixed = self.norm(self.depthwise(hidden.mT).mT)
        added: Tensor = self.scale * self.narrow(functional.gelu(self.widen(mixed)))
        return hidden + added
