"""The speech SQ-VAE: encoder, quantiser, decoder, and the objective."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.profiler import record_function

from sqspeech import distributed
from sqspeech.models.decoder import Decoder, DecoderConfig
from sqspeech.models.encoder import Encoder, EncoderConfig
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

    Code i describes the mel frames 2i + 1 and 2i + 2. A mel of T frames gives L = (T − 2) // 2 codes, and these
    decode to 2 L frames, which reconstruct `target(mel)`.
    """

    def __init__(
        self,
        encoder: EncoderConfig,
        quantizer: QuantizerConfig,
        decoder: DecoderConfig,
        *,
        n_mels: int,
        n_speakers: int,
        objective: Objective = "ar_elbo",
    ) -> None:
        super().__init__()
        self.objective = objective
        self.quantizer = build_quantizer(quantizer)
        self.encoder = Encoder(encoder, n_mels, self.quantizer.dim + self.quantizer.extra_channels)
        self.decoder = Decoder(decoder, self.quantizer.dim, n_mels, n_speakers)

    def forward(
        self, mel: Float[Tensor, "B T M"], speaker: Int[Tensor, " B"], temperature: float | Float[Tensor, ""] = 1.0
    ) -> SQVAEOutput:
        """Return the objective on a batch of equally long log-mels, T ≥ 4."""
        with record_function("sqspeech::encoder"):
            latents = self._latents(mel)
        with record_function("sqspeech::quantizer"):
            quantized = self.quantizer(*latents, temperature)
        with record_function("sqspeech::decoder"):
            mel_hat = self.decoder(quantized.z, speaker)
        mse = distributed.all_reduce_sum(mean_squared_error(mel_hat, target(mel))) / distributed.world_size()
        reconstruction = mse if self.objective == "mse" else ar_elbo(mse, mel_hat.shape[1] * mel_hat.shape[2])
        return SQVAEOutput(
            loss=reconstruction + quantized.loss, reconstruction=reconstruction, mse=mse, quantized=quantized
        )

    def quantize(
        self,
        mel: Float[Tensor, "B T M"],
        temperature: float | Float[Tensor, ""] = 1.0,
        *,
        mean: Float[Tensor, "B 1 M"] | None = None,
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Quantized:
        """Return the quantised latents of a log-mel: sampled in training mode, the most probable in eval mode.

        `mean` is for the encoder (see `Encoder.forward`). `lengths` are the frames of each row, T for all when None; a
        row's latents up to its (length − 2) // 2 are those of the row alone.
        """
        z, extra = self._latents(mel, mean, lengths)
        mask = None if lengths is None else torch.arange(z.shape[1], device=z.device) < (lengths[:, None] - 2) // 2
        quantized: Quantized = self.quantizer(z, extra, temperature, mask)
        return quantized

    def reconstruct(self, mel: Float[Tensor, "B T M"], speaker: Int[Tensor, " B"]) -> Float[Tensor, "B L2 M"]:
        """Return what the latents of a log-mel say in the voices of `speaker` (indices), to compare with `target`."""
        mel_hat: Tensor = self.decoder(self.quantize(mel).z, speaker)
        return mel_hat

    def encode(self, mel: Float[Tensor, "B T M"]) -> Int[Tensor, "B L"]:
        """Return the most probable codes of a log-mel; raises ConfigError where there is no codebook."""
        return self.quantizer.encode(*self._latents(mel))

    def decode(self, codes: Int[Tensor, "B L"], speaker: Int[Tensor, " B"]) -> Float[Tensor, "B T M"]:
        """Return the log-mel of codes, T = 2 L frames, in the voices of `speaker` (indices)."""
        mel: Tensor = self.decoder(self.quantizer.lookup(codes), speaker)
        return mel

    def _latents(self, mel: Tensor, mean: Tensor | None = None, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        even = None if lengths is None else lengths // 2 * 2
        z, extra = self.encoder(_even(mel), mean, even).tensor_split([self.quantizer.dim], dim=-1)
        return z, extra


def _even(mel: Tensor) -> Tensor:
    return mel[:, : mel.shape[1] // 2 * 2]


def target(mel: Float[Tensor, "B T M"]) -> Float[Tensor, "B L2 M"]:
    """Return the frames that the decoder reconstructs: an even number of frames, less one at each side."""
    return _even(mel)[:, 1:-1]


def mean_squared_error(mel_hat: Float[Tensor, "B T M"], mel: Float[Tensor, "B T M"]) -> Float[Tensor, ""]:
    """Return the mean squared error, in single precision: squares of small errors underflow in half."""
    return (mel_hat.float() - mel.float()).square().mean()


def ar_elbo(mse: Float[Tensor, ""], size: int) -> Float[Tensor, ""]:
    """Return the reconstruction term ½ M T log(MSE) in nats, where `size` is M T.

    It is the Gaussian likelihood with the decoder's variance at its maximum-likelihood value, up to a constant.
    Source: Takida et al., "Preventing oversmoothing in VAE via generalized variance parameterization",
    arXiv 2102.08663.
    """
    return 0.5 * size * torch.log(mse + MSE_FLOOR)
