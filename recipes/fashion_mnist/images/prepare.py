"""Prepare a data set of images.

`python -m images.prepare fashion_mnist DATA_DIR` writes `train.npz`, `dev.npz` and `test.npz`, each with `images`,
bytes of shape (N, H, W, C). Dev is the last sixth of the training images, 10,000 of Fashion-MNIST's and MNIST's 60,000.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from jaxtyping import UInt8

from data_prep.command import run
from data_prep.download import cache_folder
from images.arrays import write_arrays
from images.sources import DATASETS, find_files
from sqspeech.errors import DataError

DEV_SHARE = 6


def prepare(name: str, data_dir: Path, source: Path | None, cache: Path) -> dict[str, UInt8[np.ndarray, "N H W C"]]:
    """Write the sets of a data set of `DATASETS` to `data_dir`, and return them.

    Raises
    ------
    DataError
        A file is missing, truncated, damaged or of another format, or there are too few images.
    SqspeechError
        A file cannot be fetched, or `data_dir` cannot be written.
    """
    read = DATASETS[name].read
    training, test = (np.concatenate([read(path) for path in paths]) for paths in find_files(name, source, cache))
    held_out = len(training) // DEV_SHARE
    if not held_out or not len(test):
        raise DataError(f"{source or cache}: {len(training)} training and {len(test)} test images are too few")
    sets = {"train": training[:-held_out], "dev": training[-held_out:], "test": test}
    for part, images in sets.items():
        write_arrays(data_dir / f"{part}.npz", images=images)
    return sets


def main(
    name: Annotated[Literal["fashion_mnist", "mnist", "cifar10"], typer.Argument(help="The data set.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train.npz, dev.npz and test.npz into.")],
    source: Annotated[Path | None, typer.Option(help="Folder that has the files as they were published.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for what is fetched; by default one in the user's cache.")
    ] = None,
) -> None:
    """Prepare a data set of images."""
    sets = prepare(name, data_dir, source, cache or cache_folder() / name)
    height, width, channels = sets["train"].shape[1:]
    sizes = ", ".join(f"{part} {len(images)}" for part, images in sets.items())
    print(f"{data_dir}: {sizes} images of {height} × {width}, {channels} channels")


if __name__ == "__main__":
    run(main)
