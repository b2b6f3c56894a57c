"""Files of images: IDX, which MNIST and Fashion-MNIST have, and the binary batches of CIFAR-10."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from sqspeech.errors import DataError

# Unsigned bytes with three axes; http://yann.lecun.com/exdb/mnist describes the format.
IDX_IMAGES = 0x803
IDX_HEADER = struct.Struct(">4I")
# A record of CIFAR-10: a label, and the red, the green and the blue plane.
CIFAR_SHAPE = (3, 32, 32)
CIFAR_RECORD = 1 + 3 * 32 * 32


def read_idx(path: Path) -> UInt8[np.ndarray, "N H W C"]:
    """Read the images of an IDX file, compressed with gzip where its name ends in .gz; C is 1.

    Raises
    ------
    DataError
        The file is missing, truncated or damaged, or holds no images.
    """
    content = _read(path)
    if len(content) < IDX_HEADER.size:
        raise DataError(f"{path}: {len(content)} bytes are no IDX file; fetch it again")
    magic, count, height, width = IDX_HEADER.unpack_from(content)
    if magic != IDX_IMAGES:
        raise DataError(
            f"{path}: begins with the magic number {magic:#010x} where {IDX_IMAGES:#010x} stands for images; give the "
            "folder of the images as they were published"
        )
    wanted, found = count * height * width, len(content) - IDX_HEADER.size
    if found != wanted:
        raise DataError(
            f"{path}: {found} bytes follow the header, which states {count} images of {height} × {width}, {wanted} "
            "bytes; fetch the file again"
        )
    return np.frombuffer(content, np.uint8, offset=IDX_HEADER.size).reshape(count, height, width, 1)


def read_cifar(path: Path) -> UInt8[np.ndarray, "N H W C"]:
    """Read the images of a binary batch of CIFAR-10; C is 3.

    Raises
    ------
    DataError
        The file is missing or truncated.
    """
    content = _read(path)
    if not content or len(content) % CIFAR_RECORD:
        raise DataError(
            f"{path}: {len(content)} bytes are no whole number of records of {CIFAR_RECORD} bytes; unpack "
            "cifar-10-binary.tar.gz again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_RECORD)
    return np.ascontiguousarray(records[:, 1:].reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1))


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except EOFError:
        raise DataError(f"{path}: the gzip file is truncated; fetch it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged, or no gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror}); check the path") from None
