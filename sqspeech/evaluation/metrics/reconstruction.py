"""Reconstruction error."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.models.sqvae import SQVAE
from sqspeech.quantizers.precision import full_precision


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """The pooled error over utterances, each decoded with its own speaker, and their latents.

    Attributes
    ----------
    mse_db2
        Mean squared error in dB², over all frames and bands.
    feature_variance_db2
        Mean squared distance of the same features from their mean per band, in dB²: the error of a constant spectrum.
    latents
        The quantised latents, one array (L, D) for each utterance.
    codes
        One array (L,) or (L, Q) for each utterance; none where the quantiser has no codebook.
    """

    mse_db2: float
    feature_variance_db2: float
    latents: list[NDArray[np.float32]]
    codes: list[NDArray[np.int64]]


@torch.inference_mode()
def measure_reconstruction(model: SQVAE, utterances: Iterable[tuple[Tensor, Tensor]], top_db: float) -> Reconstruction:
    """Reconstruct utterances at full length, in eval mode and IEEE single precision, and pool the error.

    Parameters
    ----------
    model
        In eval mode.
    utterances
        Pairs of log-mel (1, T, M) and speaker index (1,).
    top_db
        The span in dB by which the features were divided.
    """
    # In float64: a corpus has more terms than float32 has digits.
    squared_error, frames = 0.0, 0
    band_sum = band_squares = torch.zeros(())
    latents, codes = [], []
    for mel, speaker in utterances:
        with full_precision(mel.device):
            quantized = model.quantize(mel)
            mel_hat = model.decoder(quantized.z, speaker)[0]
        wanted = model.geometry.target(mel)[0].double()
        squared_error += (mel_hat.double() - wanted).square().sum(0).mean().item()
        band_sum, band_squares = wanted.sum(0) + band_sum, wanted.square().sum(0) + band_squares
        frames += len(wanted)
        latents.append(quantized.z[0].cpu().numpy())
        if quantized.codes is not None:
            codes.append(quantized.codes[0].cpu().numpy())
    variance = (band_squares / frames - (band_sum / frames) ** 2).mean().item()
    return Reconstruction(
        mse_db2=squared_error / frames * top_db**2,
        feature_variance_db2=variance * top_db**2,
        latents=latents,
        codes=codes,
    )
