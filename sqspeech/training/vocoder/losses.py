"""Losses of a vocoder: of the log-mel, of magnitudes at several resolutions, of the harmonic part with its phase."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.features import LogMelConfig
from sqspeech.vocoders.mel_inverse import resampled_filters

# In seconds: windows whose hop is a quarter of them, and that of the harmonic part.
RESOLUTIONS, HARMONIC = (0.016, 0.04, 0.1), 0.032
MEL_WEIGHT, HARMONIC_WEIGHT = 15.0, 2.0
# Hz: phases of harmonics above fade from the loss, since no model predicts them.
PREDICTABLE = 2500.0
# Floors: of a band's amplitude, and of a bin's.
LEAST_MEL, LEAST_BIN = 1e-4, 3e-3


class SpectralLosses(nn.Module):
    """The losses between a signal and the recording's, both pre-emphasised; every row counts alike.

    Parameters
    ----------
    features
        The parameters of the log-mel.
    """

    filters: Tensor
    fading: Tensor

    def __init__(self, features: LogMelConfig) -> None:
        super().__init__()
        rate = features.sample_rate
        self.features, self.harmonic = features, _window(HARMONIC, rate)
        self.sizes = [_window(seconds, rate) for seconds in RESOLUTIONS]
        self.mel_points = 1 << (2 * features.win_length - 1).bit_length()
        for size in {*self.sizes, self.harmonic, features.win_length}:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)
        self.register_buffer("filters", resampled_filters(features, self.mel_points), persistent=False)
        frequencies = torch.linspace(0, rate / 2, self.harmonic // 2 + 1)
        self.register_buffer("fading", 0.1 + 0.9 / (1 + (frequencies / PREDICTABLE) ** 4), persistent=False)

    def forward(
        self, wave: Float[Tensor, "B N"], wanted: Float[Tensor, "B N"], harmonic: Float[Tensor, "B N"]
    ) -> dict[str, Tensor]:
        """Return the weighted losses, whose sum is to be minimised.

        `mel` is the mean absolute difference of log-mel, `magnitude` that of the logarithms of the bins over the
        resolutions, `convergence` the distance of the magnitudes relative to their norm (Arik et al., 2018), `harmonic`
        the distance of the complex spectra of the harmonic part alone, relative to the local level.
        """
        pairs = [[self._magnitudes(signal, size) for signal in (wave, wanted)] for size in self.sizes]
        return {
            "mel": MEL_WEIGHT * (self._log_mel(wave) - self._log_mel(wanted)).abs().mean(),
            "magnitude": torch.stack([_log_distance(*pair) for pair in pairs]).sum(),
            "convergence": torch.stack([_convergence(*pair) for pair in pairs]).sum(),
            "harmonic": HARMONIC_WEIGHT * self._harmonic(harmonic, wanted),
        }

    def _log_mel(self, signal: Float[Tensor, "B N"]) -> Float[Tensor, "B T M"]:
        spectra = self._spectra(signal, self.features.win_length, self.features.hop_length, self.mel_points)
        bands = _magnitude(spectra, 1e-10) @ self.filters
        return 20 / self.features.top_db * torch.log10(bands.clamp(min=LEAST_MEL))

    def _harmonic(self, harmonic: Float[Tensor, "B N"], wanted: Float[Tensor, "B N"]) -> Float[Tensor, ""]:
        found, aim = (self._spectra(x, self.harmonic, self.harmonic // 4) for x in (harmonic, wanted))
        power = functional.avg_pool2d(_power(aim)[:, None], (3, 9), 1, (1, 4), count_include_pad=False)[:, 0]
        return (torch.sqrt(_power(found - aim) / (power + 1e-4) + 1e-4) * self.fading).mean()

    def _magnitudes(self, signal: Float[Tensor, "B N"], size: int) -> Float[Tensor, "B T F"]:
        return _magnitude(self._spectra(signal, size, size // 4), 1e-8)

    def _spectra(
        self, signal: Float[Tensor, "B N"], size: int, hop: int, points: int | None = None
    ) -> Complex[Tensor, "B T F"]:
        spectra: Tensor = torch.fft.rfft(signal.unfold(1, size, hop) * getattr(self, f"window_{size}"), n=points)
        return spectra


def longest_window(sample_rate: int) -> int:
    """Return the samples of the longest window of the losses."""
    return _window(max(RESOLUTIONS), sample_rate)


def _window(seconds: float, sample_rate: int) -> int:
    return 4 * round(seconds * sample_rate / 4)


def _log_distance(found: Float[Tensor, "B T F"], wanted: Float[Tensor, "B T F"]) -> Float[Tensor, ""]:
    return (torch.log(found + LEAST_BIN) - torch.log(wanted + LEAST_BIN)).abs().mean()


def _convergence(found: Float[Tensor, "B T F"], wanted: Float[Tensor, "B T F"]) -> Float[Tensor, ""]:
    distance, norm = ((x.square().sum((1, 2)) + 1e-8).sqrt() for x in (found - wanted, wanted))
    return (distance / norm.clamp(min=1e-2)).mean()


def _power(spectra: Complex[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
    return spectra.real.square() + spectra.imag.square()


def _magnitude(spectra: Complex[Tensor, "B T F"], floor: float) -> Float[Tensor, "B T F"]:
    # The floor keeps the gradient of the root finite where nothing is.
    return torch.sqrt(_power(spectra) + floor)
