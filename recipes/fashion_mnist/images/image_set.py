"""Prepared images in memory, and the batches of a training."""

from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.nn import functional

from images.arrays import read_arrays
from sqspeech.data.random_hash import hash_numbers, uniform

# Images resized at a time.
CHUNK = 4096


def load_images(path: Path, resize: int) -> UInt8[Tensor, "N C H W"]:
    """Read the images of an .npz file of `images.prepare`, resized to `resize` × `resize` pixels where they differ.

    Raises
    ------
    DataError
        The file is missing, or not of that form.
    """
    (stored,) = read_arrays(path, ("images",), "images.prepare")
    images = torch.from_numpy(stored).permute(0, 3, 1, 2).contiguous()
    if images.shape[2:] == (resize, resize):
        return images
    return torch.cat([_resized(chunk, resize) for chunk in torch.split(images, CHUNK)])


def _resized(images: UInt8[Tensor, "N C H W"], resize: int) -> UInt8[Tensor, "N C R R"]:
    found = functional.interpolate(images.float(), (resize, resize), mode="bilinear", antialias=True)
    return found.round().clamp(0, 255).byte()


class ImageBatches:
    """Images drawn uniformly, with replacement: a function of the seed and the step alone.

    Parameters
    ----------
    images
        Where the batches are wanted.
    batch_size
        B.
    """

    on_device = True

    def __init__(self, images: UInt8[Tensor, "N C H W"], batch_size: int, seed: int) -> None:
        self.seed, self._images = seed, images
        self._places = torch.arange(1, batch_size + 1, device=images.device)

    def key(self, step: int) -> int:
        """Return the key of a step's draws."""
        return hash_numbers(self.seed, step)

    def batch(self, key: int | Int[Tensor, ""]) -> tuple[UInt8[Tensor, "B C H W"]]:
        """Return the images of a step's key."""
        return (self._images[(uniform(key, self._places) * len(self._images)).long()],)

    def describe(self) -> str:
        """Return one line: how many images of which size there are, and where."""
        count, channels, height, width = self._images.shape
        return f"{count} images of {height} × {width}, {channels} channels, on {self._images.device}"
