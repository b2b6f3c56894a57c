"""From log-mel back to the magnitudes of a spectrum, as far as bands can tell."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sqspeech.errors import DataError
from sqspeech.features import AMPLITUDE_FLOOR, LogMel, LogMelConfig

LOUDEST_DB = 60.0  # a full-scale sine reaches about 30 dB
# Above the floor, beyond rounding.
AUDIBLE_DB = 0.01
TINY = 1e-8


def check(log_mel: Tensor, config: LogMelConfig) -> None:
    """Raise a DataError unless the log-mel has the config's bands, two frames or more, and finite values."""
    if log_mel.ndim != 2 or log_mel.shape[1] != config.n_mels:
        raise DataError(
            f"log-mel of shape {tuple(log_mel.shape)} where (frames, {config.n_mels}) is needed; "
            "it was made with another config, make the features again with this one"
        )
    if len(log_mel) < 2:
        raise DataError(f"log-mel of {len(log_mel)} frames; at least 2 make a signal, leave it out")
    if not torch.isfinite(log_mel).all():
        raise DataError("NaN or infinite log-mel values; the model diverged or the features are damaged")


def amplitudes(log_mel: Float[Tensor, "T M"], config: LogMelConfig) -> Float[Tensor, "T M"]:
    """Return the amplitudes of the bands; 0 at the floor, `top_db` below the maximum."""
    decibels = ((log_mel - 1) * config.top_db).clamp(max=LOUDEST_DB)
    floor = max(decibels.max().item() - config.top_db, 20 * math.log10(AMPLITUDE_FLOOR))
    audible = decibels > floor + AUDIBLE_DB
    return torch.where(audible, 10 ** (decibels / 20), 0.0)


def resampled_filters(config: LogMelConfig, n_fft: int) -> Float[Tensor, "F M"]:
    """Return LogMel's filters for magnitudes at n_fft // 2 + 1 points, which they interpolate linearly."""
    filters: Tensor = LogMel(config).filters
    points = torch.eye(n_fft // 2 + 1)[None]
    interpolation = functional.interpolate(points, size=len(filters), mode="linear", align_corners=True)
    return interpolation[0] @ filters


class MelFit:
    """Scale magnitudes by smooth gains so that their mel bands approach `mel`.

    The gain of a bin is the mean of wanted / actual over its bands, weighted by the filters: Lee and Seung's
    multiplicative update for the Kullback-Leibler divergence (NIPS 2000).
    """

    def __init__(self, mel: Float[Tensor, "T M"], filters: Float[Tensor, "F M"]) -> None:
        self.mel = mel
        self.filters = filters.to(mel.device)
        self.weights = (self.filters / self.filters.sum(1, keepdim=True).clamp(min=TINY)).T

    def __call__(self, magnitudes: Float[Tensor, "T F"], steps: int = 1) -> Float[Tensor, "T F"]:
        """Return the magnitudes so many steps nearer."""
        for _ in range(steps):
            ratio = self.mel / (magnitudes @ self.filters).clamp(min=TINY)
            magnitudes = magnitudes * (ratio @ self.weights)
        return magnitudes
