"""Targets of reconstruction: values of pixels, or their classes; each with its likelihood and its measures."""

from typing import ClassVar, Protocol

import torch
from jaxtyping import Float, Float64, Int, UInt8
from torch import Tensor
from torch.nn import functional

from images.config import ImagesConfig
from sqspeech.models.sqvae import ar_elbo

# Bytes up to this are the background, which is not exactly 0 beside the edges of things.
BACKGROUND = 16


class ImageTarget(Protocol):
    """A kind of reconstruction.

    Attributes
    ----------
    error
        The name of its first measure, which is to be low.
    inputs, outputs
        The channels that the encoder takes and that the decoder gives.
    """

    error: ClassVar[str]
    inputs: int
    outputs: int

    def encoder_input(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B I H W"]:
        """Return what the encoder takes."""

    def losses(
        self, output: Float[Tensor, "B O H W"], images: UInt8[Tensor, "B C H W"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the negative log-likelihood in nats, mean over the images, and the mean error of a pixel."""

    def tally(self, output: Float[Tensor, "B O H W"], images: UInt8[Tensor, "B C H W"]) -> Float64[Tensor, "..."]:
        """Return what `measures` needs of a batch; over several batches it is added."""

    def measures(self, tally: Float64[Tensor, "..."]) -> dict[str, float]:
        """Return the measures by name, `error` first."""

    def picture(self, output: Float[Tensor, "B O H W"]) -> Float[Tensor, "B C H W"]:
        """Return the most probable image, from 0 to 1."""

    def original(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the image as the target has it, from 0 to 1."""


class Gray:
    """Values from 0 to 1, with a Gaussian likelihood of the maximum-likelihood variance."""

    error: ClassVar[str] = "mse_1e3"

    def __init__(self, channels: int) -> None:
        self.inputs = self.outputs = channels

    def encoder_input(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """See `ImageTarget`."""
        return images.float() / 255

    def losses(
        self, output: Float[Tensor, "B C H W"], images: UInt8[Tensor, "B C H W"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """See `ImageTarget`; the likelihood is that of `sqspeech.models.sqvae.ar_elbo`, up to a constant."""
        mse = (self.picture(output) - self.original(images)).square().mean()
        return ar_elbo(mse, images[0].numel()), mse

    def tally(self, output: Float[Tensor, "B C H W"], images: UInt8[Tensor, "B C H W"]) -> Float64[Tensor, "2"]:
        """Return the sum of the squared errors, and how many there are."""
        errors = (self.picture(output).double() - self.original(images).double()).square()
        return torch.stack([errors.sum(), torch.full_like(errors.sum(), errors.numel())])

    def measures(self, tally: Float64[Tensor, "2"]) -> dict[str, float]:
        """Return the mean squared error, times 1000."""
        total, count = tally.tolist()
        return {"mse_1e3": 1e3 * total / count}

    def picture(self, output: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """See `ImageTarget`."""
        return output.float().sigmoid()

    def original(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """See `ImageTarget`."""
        return images.float() / 255


class Classes:
    """Classes of pixels with a categorical likelihood: `levels` of their values, or background and not, if None."""

    error: ClassVar[str] = "pixel_error"

    def __init__(self, channels: int, levels: int | None) -> None:
        self._levels, self._count, self._channels = levels, levels or 2, channels
        self.inputs = self.outputs = channels * self._count

    def classes(self, images: UInt8[Tensor, "B C H W"]) -> Int[Tensor, "B C H W"]:
        """Return the class of each pixel."""
        return (images > BACKGROUND).long() if self._levels is None else (images.long() * self._levels) >> 8

    def encoder_input(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B I H W"]:
        """See `ImageTarget`: a channel for each class, 1 where the pixel is of it."""
        # functional.one_hot looks at the values, and so waits for them.
        every = torch.arange(self._count, device=images.device).view(-1, 1, 1)
        return (self.classes(images).unsqueeze(2) == every).flatten(1, 2).float()

    def losses(
        self, output: Float[Tensor, "B O H W"], images: UInt8[Tensor, "B C H W"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """See `ImageTarget`: the cross-entropy, summed over an image and as a mean."""
        mean = functional.cross_entropy(self._logits(output), self.classes(images))
        return mean * images[0].numel(), mean

    def tally(self, output: Float[Tensor, "B O H W"], images: UInt8[Tensor, "B C H W"]) -> Float64[Tensor, "L L"]:
        """Return how many pixels of each class (rows) are decoded as each class (columns)."""
        places = self.classes(images) * self._count + self._logits(output).argmax(1)
        return torch.bincount(places.flatten(), minlength=self._count**2).double().view(self._count, -1)

    def measures(self, tally: Float64[Tensor, "L L"]) -> dict[str, float]:
        """Return the share of wrong pixels in %, and the mean over the classes of intersection over union in %.

        A class that is neither in the images nor decoded is left out of the mean.
        """
        right = tally.diagonal()
        union = tally.sum(0) + tally.sum(1) - right
        overlap = (right / union)[union > 0]
        return {
            "pixel_error": 100 * (1 - right.sum() / tally.sum()).item(),
            "mean_iou": 100 * overlap.mean().item(),
        }

    def picture(self, output: Float[Tensor, "B O H W"]) -> Float[Tensor, "B C H W"]:
        """See `ImageTarget`."""
        return self._logits(output).argmax(1) / (self._count - 1)

    def original(self, images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """See `ImageTarget`."""
        return self.classes(images) / (self._count - 1)

    def _logits(self, output: Float[Tensor, "B O H W"]) -> Float[Tensor, "B L C H W"]:
        return output.float().view(len(output), self._channels, self._count, *output.shape[2:]).transpose(1, 2)


def build_target(config: ImagesConfig, channels: int) -> ImageTarget:
    """Return the target of a configuration, for images of so many channels."""
    if config.target == "gray":
        return Gray(channels)
    return Classes(channels, config.levels if config.target == "levels" else None)
