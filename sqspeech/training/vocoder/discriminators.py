"""Discriminators of waveforms, of several periods (HiFi-GAN, 2020) and of several resolutions (UnivNet, 2021)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class DiscriminatorConfig:
    """The adversarial phase, which begins at step `begin`; there is none where it is null.

    `periods` are those of samples, each with convolutions of `period_channels`; `resolutions` are windows in samples,
    each with convolutions of `resolution_channels`. The weights are those of the losses of the generator.
    """

    begin: int | None = Field(default=None, ge=0)
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024)
    resolutions: tuple[int, ...] = (512, 1024, 2048)
    resolution_channels: tuple[int, ...] = (32, 32, 32, 32)
    learning_rate: float = Field(default=2e-4, gt=0)
    adversarial_weight: float = Field(default=0.3, ge=0)
    matching_weight: float = Field(default=0.5, ge=0)


class Discriminators(nn.Module):
    """A score for each place of a signal, from each discriminator, and what its layers see."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        by_period = [_ByPeriod(period, config.period_channels) for period in config.periods]
        by_resolution = [_ByResolution(size, config.resolution_channels) for size in config.resolutions]
        self.parts = nn.ModuleList([*by_period, *by_resolution])

    def forward(self, signal: Float[Tensor, "B N"]) -> list[list[Tensor]]:
        """Return of each discriminator the outputs of its layers, the last of which are the scores."""
        return [part(signal) for part in self.parts]


def discriminator_loss(real: Sequence[Sequence[Tensor]], made: Sequence[Sequence[Tensor]]) -> Float[Tensor, ""]:
    """Return the hinge loss, the mean over the discriminators: scores of speech above 1, of what is made below −1."""
    scores = [(one[-1], other[-1]) for one, other in zip(real, made, strict=True)]
    terms = [functional.relu(1 - r).mean() + functional.relu(1 + m).mean() for r, m in scores]
    return torch.stack(terms).mean()


def adversarial_loss(made: Sequence[Sequence[Tensor]]) -> Float[Tensor, ""]:
    """Return what the generator minimises: the negative scores."""
    return torch.stack([-layers[-1].mean() for layers in made]).mean()


def matching_loss(real: Sequence[Sequence[Tensor]], made: Sequence[Sequence[Tensor]]) -> Float[Tensor, ""]:
    """Return the mean distance of the layers' outputs from those of speech (Larsen et al., 2016)."""
    pairs = [(r, m) for one, other in zip(real, made, strict=True) for r, m in zip(one[:-1], other[:-1], strict=True)]
    return torch.stack([(r - m).abs().mean() for r, m in pairs]).mean()


class _ByPeriod(nn.Module):
    """Convolutions over every `period`-th sample."""

    def __init__(self, period: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.period = period
        widths = [1, *channels]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (5, 1), (3, 1), (2, 0)))
            for before, after in zip(widths, channels, strict=False)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, signal: Float[Tensor, "B N"]) -> list[Tensor]:
        count = signal.shape[1] // self.period
        image = signal[:, : count * self.period].reshape(-1, 1, count, self.period)
        return _outputs(image, self.layers, self.score)


class _ByResolution(nn.Module):
    """Convolutions over the magnitudes of a spectrum."""

    window: Tensor

    def __init__(self, size: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        widths = [1, *channels]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (3, 9), (1, 2), (1, 4)))
            for before, after in zip(widths, channels, strict=False)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, signal: Float[Tensor, "B N"]) -> list[Tensor]:
        spectra = torch.fft.rfft(signal.unfold(1, self.size, self.size // 4) * self.window)
        magnitude = torch.sqrt(spectra.real.square() + spectra.imag.square() + 1e-8)
        return _outputs(magnitude[:, None], self.layers, self.score)


def _outputs(image: Float[Tensor, "B 1 H W"], layers: nn.ModuleList, score: nn.Module) -> list[Tensor]:
    outputs = list[Tensor]()
    for layer in layers:
        image = functional.leaky_relu(layer(image), SLOPE)
        outputs.append(image)
    return [*outputs, score(image)]
