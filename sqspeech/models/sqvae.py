"""The speech SQ-VAE: encoder, quantiser, decoder, and the objective."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.profiler import record_function

from sqspeech import distributed
from sqspeech.models.base import DECODERS, ENCODERS
from sqspeech.models.geometry import Geometry
from sqspeech.quantizers import Quantized, QuantizerConfig, build_quantizer

Objective = Literal["ar_elbo", "mse"]

# log(MSE) is −∞ where the reconstruction is exact, as it is on digital silence.
MSE_FLOOR = 1e-10


@dataclass(frozen=True, kw_only=True)
class SQVAEOutput:
    """Values that a training step needs and logs: `loss` = `reconstruction` + `quantized.loss`."""

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    mse: Float[Tensor, ""]
    quantized: Quantized


class SQVAE(nn.Module):
    """Log-mel to discrete codes, and codes with a speaker to log-mel.

    The encoder's `geometry` gives the frames that a code describes: T frames give L codes, and these decode to the
    frames `geometry.target(mel)`.

    Of the squared error that `reconstruction` is made of, the part that a band's mean over the crop has counts
    `level_weight`-fold (see `reconstruction_error`); `mse` is the plain one.

    Attributes
    ----------
    discriminator
        Of a training that has one; a use of the model has none.
    """

    def __init__(
        self,
        encoder: Any,
        quantizer: QuantizerConfig,
        decoder: Any,
        *,
        n_mels: int,
        n_speakers: int,
        objective: Objective = "ar_elbo",
        level_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.objective, self.level_weight = objective, level_weight
        self.discriminator: nn.Module | None = None
        self.quantizer = build_quantizer(quantizer)
        width = self.quantizer.dim + self.quantizer.extra_channels
        self.encoder = ENCODERS.of(encoder)(encoder, n_mels, width)
        stride = self.encoder.geometry.stride
        self.decoder = DECODERS.of(decoder)(decoder, self.quantizer.dim, n_mels, n_speakers, stride)

    @property
    def geometry(self) -> Geometry:
        """Return the encoder's geometry."""
        return self.encoder.geometry

    def forward(
        self, mel: Float[Tensor, "B T M"], speaker: Int[Tensor, " B"], temperature: float | Float[Tensor, ""] = 1.0
    ) -> SQVAEOutput:
        """Return the objective on a batch of equally long log-mels of `geometry.shortest` frames or more."""
        with record_function("sqspeech::encoder"):
            latents = self._latents(mel)
        with record_function("sqspeech::quantizer"):
            quantized = self.quantizer(*latents, temperature)
        with record_function("sqspeech::decoder"):
            mel_hat = self.decoder(quantized.z, speaker)
        mse, weighted = self.errors(mel_hat, self.geometry.target(mel))
        size = mel_hat.shape[1] * mel_hat.shape[2]
        reconstruction = weighted if self.objective == "mse" else ar_elbo(weighted, size)
        return SQVAEOutput(
            loss=reconstruction + quantized.loss, reconstruction=reconstruction, mse=mse, quantized=quantized
        )

    def errors(
        self, mel_hat: Float[Tensor, "B T M"], mel: Float[Tensor, "B T M"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the mean squared error, and that of the reconstruction term, over the rows of all processes."""
        mse = _over_processes(mean_squared_error(mel_hat, mel))
        if self.level_weight == 1:
            return mse, mse
        return mse, _over_processes(reconstruction_error(mel_hat, mel, self.level_weight))

    def quantize(
        self,
        mel: Float[Tensor, "B T M"],
        temperature: float | Float[Tensor, ""] = 1.0,
        *,
        mean: Float[Tensor, "B 1 M"] | None = None,
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Quantized:
        """Return the quantised latents of a log-mel: sampled in training mode, the most probable in eval mode.

        `mean` is for the encoder (see `sqspeech.models.base.Encoder`). `lengths` are the frames of each row, T for all
        when None; a row's latents up to `geometry.units(length)` are those of the row alone.
        """
        z, extra = self._latents(mel, mean, lengths)
        mask = None if lengths is None else self._is_real(z, lengths)
        quantized: Quantized = self.quantizer(z, extra, temperature, mask)
        return quantized

    def encode(self, mel: Float[Tensor, "B T M"]) -> Int[Tensor, "B L *Q"]:
        """Return the most probable codes of a log-mel; raises ConfigError where there is no codebook."""
        return self.quantizer.encode(*self._latents(mel))

    def decode(self, codes: Int[Tensor, "B L *Q"], speaker: Int[Tensor, " B"]) -> Float[Tensor, "B T M"]:
        """Return the log-mel of codes, T = stride · L frames, for `speaker` (indices)."""
        mel: Tensor = self.decoder(self.quantizer.lookup(codes), speaker)
        return mel

    def _latents(self, mel: Tensor, mean: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        used = None if lengths is None else self.geometry.used(lengths)
        encoded = self.encoder(mel[:, : self.geometry.used(mel.shape[1])], mean, used)
        z, extra = encoded.tensor_split([self.quantizer.dim], dim=-1)
        return z, extra

    def _is_real(self, z: Tensor, lengths: Tensor) -> Tensor:
        return torch.arange(z.shape[1], device=z.device) < self.geometry.units(lengths)[:, None]


def mean_squared_error(mel_hat: Float[Tensor, "B T M"], mel: Float[Tensor, "B T M"]) -> Float[Tensor, ""]:
    """Return the mean squared error, in single precision: squares of small errors underflow in half."""
    return (mel_hat.float() - mel.float()).square().mean()


def reconstruction_error(
    mel_hat: Float[Tensor, "B T M"], mel: Float[Tensor, "B T M"], level_weight: float
) -> Float[Tensor, ""]:
    """Return the mean squared error with that of each band's mean over the T frames counted `level_weight`-fold.

    The mean squared error is the mean over rows and bands of the variance over time of the error plus the square of
    its mean: what a channel and a level leave behind. With a weight of 1 it is all of it.
    """
    error = mel_hat.float() - mel.float()
    level = error.mean(1, keepdim=True)
    return (error - level).square().mean() + level_weight * level.square().mean()


def _over_processes(mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
    return distributed.all_reduce_sum(mean) / distributed.world_size()


def ar_elbo(mse: Float[Tensor, ""], size: int) -> Float[Tensor, ""]:
    """Return the reconstruction term ½ M T log(MSE) in nats, where `size` is M T.

    It is the Gaussian likelihood with the decoder's variance at its maximum-likelihood value, up to a constant.
    Source: Takida et al., "Preventing oversmoothing in VAE via generalized variance parameterization",
    arXiv 2102.08663.
    """
    return 0.5 * size * torch.log(mse + MSE_FLOOR)
