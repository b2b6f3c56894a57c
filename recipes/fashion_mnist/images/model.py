"""The SQ-VAE of images: encoder, quantiser, decoder, and the objective."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.profiler import record_function

from images.config import ImageConfig
from images.network import decoder, encoder
from images.targets import build_target
from sqspeech.checkpoint import read_checkpoint
from sqspeech.errors import CheckpointError
from sqspeech.quantizers import Quantized, build_quantizer

TASK = "image_sqvae"


@dataclass(frozen=True, kw_only=True)
class ImageOutput:
    """Values that a training step needs and logs: `loss` = `reconstruction` + `quantized.loss`."""

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    pixel_loss: Float[Tensor, ""]
    quantized: Quantized


class ImageSQVAE(nn.Module):
    """Images to a grid of discrete codes, in raster order, and back.

    Parameters
    ----------
    config
        The experiment; `grid`² is the number L of codes of an image.
    channels
        C, of the images.
    """

    def __init__(self, config: ImageConfig, channels: int) -> None:
        super().__init__()
        self.config, self.channels = config, channels
        self.target = build_target(config.images, channels)
        self.quantizer = build_quantizer(config.quantizer)
        width = self.quantizer.dim + self.quantizer.extra_channels
        self.encoder = encoder(config.network, self.target.inputs, width)
        self.decoder = decoder(config.network, self.quantizer.dim, self.target.outputs)

    def forward(self, images: UInt8[Tensor, "B C H W"], temperature: float | Float[Tensor, ""] = 1.0) -> ImageOutput:
        """Return the objective on a batch."""
        with record_function("sqspeech::quantizer"):
            quantized = self.quantize(images, temperature)
        with record_function("sqspeech::decoder"):
            output = self.reconstruct(quantized.z)
        nats, mean = self.target.losses(output, images)
        reconstruction = nats if self.config.training.objective == "nats" else mean
        return ImageOutput(
            loss=reconstruction + quantized.loss, reconstruction=reconstruction, pixel_loss=mean, quantized=quantized
        )

    def quantize(self, images: UInt8[Tensor, "B C H W"], temperature: float | Float[Tensor, ""] = 1.0) -> Quantized:
        """Return the quantised latents (B, L, D): sampled in training mode, the most probable in eval mode."""
        return self.quantizer(*self._latents(images), temperature)

    def encode(self, images: UInt8[Tensor, "B C H W"]) -> Int[Tensor, "B L *Q"]:
        """Return the most probable codes; raises ConfigError where there is no codebook."""
        return self.quantizer.encode(*self._latents(images))

    def reconstruct(self, z: Float[Tensor, "B L D"]) -> Float[Tensor, "B O H W"]:
        """Return the decoder's output for quantised latents."""
        grid = self.config.grid
        output: Tensor = self.decoder(z.transpose(1, 2).reshape(len(z), -1, grid, grid))
        return output

    def decode(self, codes: Int[Tensor, "B L *Q"]) -> Float[Tensor, "B C H W"]:
        """Return the images of codes, from 0 to 1."""
        return self.target.picture(self.reconstruct(self.quantizer.lookup(codes)))

    def _latents(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with record_function("sqspeech::encoder"):
            encoded = self.encoder(self.target.encoder_input(images)).flatten(2).transpose(1, 2)
        z, extra = encoded.tensor_split([self.quantizer.dim], dim=-1)
        return z, extra


def load_model(path: Path, device: torch.device) -> ImageSQVAE:
    """Load a checkpoint that `python -m images train` wrote; the model is in eval mode.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or of another task.
    """
    content = read_checkpoint(path, device)
    if content.get("task") != TASK:
        raise CheckpointError(f"{path}: is no model of images; give a checkpoint of `python -m images train`")
    model = ImageSQVAE(ImageConfig.from_dict(content["config"], str(path)), content["channels"])
    model.load_state_dict(content["model"])
    return model.to(device).eval()
