"""WORLD: pulses and noise through the spectral envelope that the log-mel gives."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sqspeech.features import LogMelConfig
from sqspeech.pitch import Excitation, pyworld
from sqspeech.vocoders.base import VOCODERS, check_excitation
from sqspeech.vocoders.mel_inverse import MelFit, amplitudes, check, resampled_filters

FITS = 8
# In Hz: what low bands hold of single harmonics is smoothed away, or it would sound beside the harmonics of another
# pitch. Wider loses formants.
SMOOTHED = 180.0
# Of a power: synthesis needs its logarithm.
LEAST_POWER = 1e-12


@VOCODERS.register("world")
class World:
    """Normalised log-mel and an excitation to samples (Morise, Yokomori and Ozawa, IEICE 2016).

    The envelope is the smoothest spectrum with the mel bands, averaged over 180 Hz, less the pre-emphasis; prosody is
    that of the excitation.

    Parameters
    ----------
    config
        The parameters of the log-mel.
    """

    name, needs_excitation = "world", True

    def __init__(self, config: LogMelConfig) -> None:
        self.config = config
        self._filters = dict[int, Tensor]()

    def __call__(self, log_mel: Float[Tensor, "T M"], excitation: Excitation | None = None) -> Float[Tensor, " N"]:
        """Return N = (T - 1) * hop_length samples, float32 on the device of `log_mel`, which may leave [-1, 1].

        Raises
        ------
        DataError
            The bands are not the config's, there are fewer than two frames, or a value is not finite.
        ValueError
            There is no excitation, or it has another number of frames.
        """
        check(log_mel, self.config)
        excitation = check_excitation(excitation, log_mel)
        envelope = self._envelope(amplitudes(log_mel.float(), self.config), excitation.aperiodicity.shape[1])
        samples = synthesize(
            excitation, envelope.double().cpu().numpy(), self.config.sample_rate, self.config.hop_length
        )
        length = (len(log_mel) - 1) * self.config.hop_length
        found = torch.from_numpy(np.pad(samples[:length], (0, max(0, length - len(samples)))))
        return found.float().to(log_mel.device)

    def _envelope(self, mel: Float[Tensor, "T M"], points: int) -> Float[Tensor, "T F"]:
        """Return the power spectrum at F points from 0 to half the sample rate."""
        if points not in self._filters:
            self._filters[points] = resampled_filters(self.config, 2 * (points - 1))
        magnitudes = MelFit(mel, self._filters[points])(mel.new_ones(len(mel), points), FITS)
        spacing = self.config.sample_rate / 2 / (points - 1)
        half = round(SMOOTHED / spacing / 2)
        padded = functional.pad(magnitudes.square().unsqueeze(1), (half, half), mode="reflect")
        smooth = functional.avg_pool1d(padded, 2 * half + 1, 1).squeeze(1)
        frequencies = torch.linspace(0, torch.pi, points, device=mel.device)
        # |1 - a e^(-iw)|^2 of the pre-emphasis.
        a = self.config.preemphasis
        emphasis = 1 - 2 * a * torch.cos(frequencies) + a**2
        return (smooth / emphasis).clamp(min=LEAST_POWER)


def synthesize(
    excitation: Excitation, envelope: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the samples of an excitation through a power envelope (T, F), about T * hop_length of them (WORLD)."""
    period = 1000 * hop_length / sample_rate
    samples: NDArray[np.float64] = pyworld.synthesize(
        excitation.f0, envelope, excitation.aperiodicity, sample_rate, period
    )
    return samples
