"""Spectrograms and outlines of recordings of any length, of a size for a page."""

import struct
import zlib
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.chunked_log_mel import ChunkedLogMel

# Columns of a picture, at most: more than a page shows. An outline can be looked at closely.
COLUMNS = 1000
OUTLINE_SECOND, OUTLINE = 100, 36_000
# From faint to loud, red, green and blue at equal distances.
SHADES = ((8, 6, 20), (44, 18, 94), (116, 30, 128), (186, 54, 118), (242, 98, 92), (254, 164, 110), (252, 250, 196))


def spectrogram(recording: ChunkedLogMel) -> NDArray[np.uint8]:
    """Return the log-mel from 0 (faint) to 255, shape (M, C), low bands last; a column is its frames' maximum."""
    edges = np.linspace(0, recording.total, min(COLUMNS, recording.total) + 1).astype(int)
    columns = torch.stack([recording.mel(first, last).amax(0) for first, last in pairwise(edges.tolist())])
    levels: NDArray[np.uint8] = (255 * columns.clamp(0, 1)).round().byte().cpu().numpy()
    return np.ascontiguousarray(levels.T[::-1])


def outline(samples: NDArray[np.float32], sample_rate: int) -> list[int]:
    """Return the largest magnitude of each part of samples (N,), in thousandths of full scale; 100 parts a second."""
    count = max(1, min(OUTLINE, OUTLINE_SECOND * len(samples) // sample_rate))
    edges = np.linspace(0, len(samples), count + 1).astype(int)
    return [int(1000 * np.abs(samples[first:last]).max()) for first, last in pairwise(edges.tolist())]


def png(levels: NDArray[np.uint8]) -> bytes:
    """Return levels (rows, columns) as a PNG whose palette is `SHADES` (ISO/IEC 15948)."""
    height, width = levels.shape
    rows = np.pad(levels, ((0, 0), (1, 0))).tobytes()  # each begins with the number of its filter, 0 for none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", _palette()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _palette() -> bytes:
    places = np.linspace(0, len(SHADES) - 1, 256)
    channels = [np.interp(places, range(len(SHADES)), channel) for channel in zip(*SHADES, strict=True)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
