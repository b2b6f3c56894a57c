"""The data sets: which files they are, and where these come from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from data_prep.http_range import Source
from data_prep.transfer import fetch
from images.files import read_cifar, read_idx
from sqspeech.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set: its files of training and of test images, how one is read, and where to look for them.

    Attributes
    ----------
    installed
        The folder of the operating system's package; None where there is none.
    sources
        What can be fetched, the test images last; nothing where the user must bring the files.
    ask
        What to do where the files are not found.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Path], UInt8[np.ndarray, "N H W C"]]
    installed: Path | None = None
    sources: tuple[Source, ...] = ()
    ask: str


def _idx(address: str, sizes: Sequence[int], digests: Sequence[str], installed: str | None, ask: str) -> Dataset:
    names = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
    sources = [
        Source(url=f"{address}/{name}", sha256=digest, size=size)
        for name, digest, size in zip(names, digests, sizes, strict=True)
    ]
    folder = None if installed is None else Path(installed)
    return Dataset(
        train=names[:1], test=names[1:], read=read_idx, installed=folder, sources=tuple(sources), ask=ask
    )  # fmt: skip


DATASETS = {
    "fashion_mnist": _idx(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        (26_421_880, 4_422_102),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "/usr/share/datasets/fashion-mnist",
        "install Debian's package dataset-fashion-mnist, or leave --source out to fetch them",
    ),
    "mnist": _idx(
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        (9_912_422, 1_648_877),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        None,
        "leave --source out to fetch them",
    ),
    "cifar10": Dataset(
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test=("test_batch.bin",),
        read=read_cifar,
        ask="unpack cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html and name its folder with "
        "--source",
    ),
}


def find_files(name: str, source: Path | None, cache: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of training and of test images.

    They are those of `source` where it is given, else those of the operating system's package, else those in `cache`,
    to which they are fetched unless they are there. A name that ends in .gz is also found without this ending.

    Raises
    ------
    DataError
        A file is missing and cannot be fetched.
    SqspeechError
        See `data_prep.transfer.fetch`.
    """
    dataset = DATASETS[name]
    folder = source or (dataset.installed if dataset.installed and dataset.installed.is_dir() else None)
    if folder is None:
        folder = cache
        for file in dataset.sources:
            fetch(file, cache / file.url.rpartition("/")[2])
    return list(_found(folder, dataset.train, dataset.ask)), list(_found(folder, dataset.test, dataset.ask))


def _found(folder: Path, names: Sequence[str], ask: str) -> Iterator[Path]:
    for name in names:
        candidates = [folder / name, folder / name.removesuffix(".gz")]
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            raise DataError(f"{folder}: has no {name}; {ask}")
        yield path
