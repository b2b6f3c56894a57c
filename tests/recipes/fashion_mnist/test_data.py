"""Files of images, where they come from, and the command that prepares them."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from images import sources
from images.files import read_cifar, read_idx
from images.image_set import load_images
from images.prepare import prepare

from sqspeech.errors import DataError

NAMES = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 4, 6), np.uint8)


def idx(images: np.ndarray, magic: int = 0x803) -> bytes:
    return struct.pack(">4I", magic, *images.shape) + images.tobytes()


def write(folder: Path, *contents: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in zip(NAMES, contents, strict=True):
        (folder / name).write_bytes(content)
    return folder


def test_the_last_sixth_of_the_training_images_is_dev(tmp_path):
    source = write(tmp_path / "source", gzip.compress(idx(PIXELS)), gzip.compress(idx(PIXELS[:3])))
    prepare("fashion_mnist", tmp_path / "data", source, tmp_path)
    for name, wanted in (("train", PIXELS[:10]), ("dev", PIXELS[10:]), ("test", PIXELS[:3])):
        np.testing.assert_array_equal(np.load(tmp_path / f"data/{name}.npz")["images"], wanted[..., None])


def test_without_a_source_the_files_of_the_system_are_taken_and_else_fetched(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(sources, "fetch", lambda source, path: fetched.append((source.url, path.name)))
    monkeypatch.setitem(sources.DATASETS, "fashion_mnist", sources.DATASETS["mnist"])
    write(tmp_path, b"", b"")
    train, test = sources.find_files("mnist", None, tmp_path)
    assert [path.name for path in train + test] == [*NAMES]
    assert [name for _, name in fetched] == [*NAMES]
    assert all(url.startswith("https://") and url.endswith(name) for url, name in fetched)


def test_unpacked_files_are_found_too(tmp_path):
    source = write(tmp_path / "source", idx(PIXELS), idx(PIXELS[:2]))
    for name in NAMES:
        (source / name).rename(source / name.removesuffix(".gz"))
    prepare("mnist", tmp_path / "data", source, tmp_path)
    assert load_images(tmp_path / "data/train.npz", 4).shape == (10, 1, 4, 4)


def test_cifar_has_planes_of_colours(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), np.uint8)
    (tmp_path / "a.bin").write_bytes(b"".join(b"\7" + image.tobytes() for image in planes))
    np.testing.assert_array_equal(read_cifar(tmp_path / "a.bin"), np.moveaxis(planes, 1, 3))
    (tmp_path / "a.bin").write_bytes(b"\7" * 3072)
    with pytest.raises(DataError, match=r"a.bin: 3072 bytes are no whole number of records of 3073"):
        read_cifar(tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(idx(PIXELS))[:-20], r"train-.*gz: the gzip file is truncated; fetch it again"),
        (gzip.compress(idx(PIXELS), mtime=0)[:40] + bytes(300), r"train-.*gz: damaged, or no gzip file"),
        (idx(PIXELS), r"train-.*gz: damaged, or no gzip file"),
        (gzip.compress(idx(PIXELS, 0x801)), r"magic number 0x00000801 where 0x00000803 stands for images"),
        (gzip.compress(idx(PIXELS)[:-1]), r"287 bytes follow the header, which states 12 images of 4 × 6, 288 bytes"),
        (gzip.compress(b"\0\0"), r"2 bytes are no IDX file"),
        (gzip.compress(idx(PIXELS[:5])), r"5 training and 12 test images are too few"),
    ],
    ids=["truncated", "damaged", "plain", "labels", "short", "empty", "few"],
)
def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path, content, reason):
    source = write(tmp_path / "source", content, gzip.compress(idx(PIXELS)))
    with pytest.raises(DataError, match=reason) as caught:
        prepare("fashion_mnist", tmp_path / "data", source, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_missing_files_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte.gz; install Debian's package"):
        prepare("fashion_mnist", tmp_path, tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"has no data_batch_1.bin; unpack cifar-10-binary.tar.gz"):
        prepare("cifar10", tmp_path, None, tmp_path)
    with pytest.raises(DataError, match=r"train.npz: cannot read .*; run images.prepare first"):
        load_images(tmp_path / "train.npz", 28)
    (tmp_path / "train.npz").write_bytes(b"PK\3\4")
    with pytest.raises(DataError, match=r"train.npz: damaged, or not written by images.prepare"):
        load_images(tmp_path / "train.npz", 28)


def test_the_command_ends_with_one_line(tmp_path):
    recipe = Path(__file__).parents[3] / "recipes/fashion_mnist"
    command = [sys.executable, "-m", "images.prepare", "mnist", tmp_path / "data", "--source", tmp_path]
    process = subprocess.run(command, cwd=recipe, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == f"error: {tmp_path}: has no {NAMES[0]}; leave --source out to fetch them\n"


def test_resizing_keeps_what_is_even(tmp_path):
    images = np.full((3, 8, 8, 1), 77, np.uint8)
    images[1, :, 4:] = 200
    np.savez(tmp_path / "a.npz", images=images)
    found = load_images(tmp_path / "a.npz", 4)
    assert found.shape == (3, 1, 4, 4)
    assert (found[[0, 2]] == 77).all()
    assert (found[1, 0, :, 0] == 77).all()
    assert (found[1, 0, :, 3] == 200).all()


def test_the_headers_that_are_read_are_those_of_the_format():
    """An independent writer: the bytes of one image of 1 × 2, as the format's page gives them."""
    path = Path(__file__).with_name("one.idx")
    assert read_idx(path).tolist() == [[[[7], [255]]]]
