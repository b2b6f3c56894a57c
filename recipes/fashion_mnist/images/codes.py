"""The codes of prepared images: `python -m images.codes CKPT DATA CODES`.

`CODES/train.npz`, `dev.npz` and `test.npz` have `codes`, of shape (N, L, Q), L in raster order, the `codebook_size`,
and the `digest` of the checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from jaxtyping import Int, Int64
from torch import Tensor

from data_prep.command import run
from images.arrays import read_arrays, write_arrays
from images.image_set import load_images
from images.measure import CHUNK
from images.model import load_model
from sqspeech.checkpoint import read_checkpoint
from sqspeech.cli.options import Device, find_device
from sqspeech.quantizers.precision import full_precision

SETS = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class Codes:
    """The codes of images, the size of the codebook, and the digest of the model's checkpoint."""

    codes: Int64[Tensor, "N L Q"]
    codebook_size: int
    digest: str


def load_codes(path: Path) -> Codes:
    """Read a file of codes; raises DataError where it is missing or of another form."""
    codes, size, digest = read_arrays(path, ("codes", "codebook_size", "digest"), "images.codes")
    return Codes(codes=torch.from_numpy(codes).long(), codebook_size=int(size), digest=str(digest))


def write_codes(
    checkpoint: Path, data: Path, folder: Path, device: torch.device
) -> dict[str, Int[np.ndarray, "N L Q"]]:
    """Write the most probable codes of the images in `data`, and return them by set.

    Raises
    ------
    CheckpointError, DataError
        The model or the images cannot be read.
    ConfigError
        The model has no codebook.
    SqspeechError
        `folder` cannot be written.
    """
    model, digest = load_model(checkpoint, device), read_checkpoint(checkpoint, device)["digest"]
    found = {}
    for name in SETS:
        images = load_images(data / f"{name}.npz", model.config.images.resize).to(device)
        with torch.inference_mode(), full_precision(device):
            codes = torch.cat([model.encode(chunk) for chunk in torch.split(images, CHUNK)])
        found[name] = codes.view(*codes.shape[:2], -1).cpu().numpy().astype(np.int32)
        size = model.quantizer.codebook_size
        write_arrays(folder / f"{name}.npz", codes=found[name], codebook_size=size, digest=digest)
    return found


def main(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="A checkpoint of `python -m images train`.")],
    data: Annotated[Path, typer.Argument(help="The folder that images.prepare wrote.")],
    codes: Annotated[Path, typer.Argument(help="The folder to write.")],
    device: Device = "auto",
) -> None:
    """Write the codes of prepared images."""
    found = write_codes(checkpoint, data, codes, find_device(device))
    sizes = ", ".join(f"{name} {len(of_set)}" for name, of_set in found.items())
    print(f"{codes}: {sizes} images of {found['train'].shape[1]} codes")


if __name__ == "__main__":
    run(main)
