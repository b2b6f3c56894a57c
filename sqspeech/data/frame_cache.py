"""All frames of a dump one after another, on the device, on the host or in the file."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.data.matrix_store import MatrixStore
from sqspeech.progress import track

Residency = Literal["auto", "device", "host", "disk"]
Storage = Literal["float32", "float16", "bfloat16"]

# The share of the free memory that `auto` is content with.
SHARE = 0.5
# Bytes that are brought to a GPU at once.
CHUNK = 2**22
# Bytes that the lists of a dump take for each utterance, about.
LISTED = 1200


@runtime_checkable
class PackedFrames(Protocol):
    """The frames of all utterances, in order.

    Attributes
    ----------
    lengths
        Frames of each utterance, shape (U,), on the CPU.
    device
        The training device.
    resident
        Whether the frames are on it: `gather` then takes starts there and waits for nothing. Else both are on the CPU.
    """

    lengths: Int[Tensor, " U"]
    device: torch.device
    resident: bool

    def gather(self, starts: Int[Tensor, " B"], length: int) -> Float[Tensor, "B T M"]:
        """Return `length` frames from each start, which counts all frames, in float32."""

    def describe(self) -> str:
        """Return one line: how much memory, of what."""


def load_joined(
    stores: Sequence[MatrixStore], residency: Residency, storage: Storage, device: torch.device, *, sharers: int = 1
) -> PackedFrames:
    """Bring the frames of several stores of the same utterances to one place; see `load_frames`.

    A frame has the columns of all stores, in their order.
    """
    size = sum(sum(store.lengths()) * store.width for store in stores) * _dtype(storage).itemsize
    if residency == "auto":
        residency = _choose(size, device, sharers)
    return JoinedFrames([load_frames(store, residency, storage, device) for store in stores])


def load_frames(
    store: MatrixStore, residency: Residency, storage: Storage, device: torch.device, *, sharers: int = 1
) -> PackedFrames:
    """Bring the frames of a dump to where they stay while training.

    `device`: in the memory of the training device. `host`: in the host's memory, from where batches are copied
    while the device computes. `disk`: mapped from the dump's ark, of which nothing is loaded. `auto`: the first of
    these whose memory has twice the space that is needed, with `sharers` processes on this host.

    Raises
    ------
    DataError
        The dump is damaged.
    """
    lengths = store.lengths()
    size = sum(lengths) * store.width * _dtype(storage).itemsize
    if residency == "auto":
        residency = _choose(size, device, sharers)
    if residency == "disk":
        return MappedFrames(store, lengths, device)
    home = device if residency == "device" else torch.device("cpu")
    frames = torch.empty(sum(lengths), store.width, dtype=_dtype(storage), device=home)
    utterances = track((store.read(u.utt_id) for u in store.data), "loading features", len(store))
    _fill(frames, utterances)
    return ResidentFrames(frames, lengths, device)


def pack(utterances: Sequence[NDArray[np.float32]], device: torch.device) -> PackedFrames:
    """Return utterances, shape (T, M) each, in the memory of the device."""
    frames = torch.from_numpy(np.concatenate(utterances)).to(device)
    return ResidentFrames(frames, [len(mel) for mel in utterances], device)


class ResidentFrames:
    """Frames in one tensor (F, M), on the training device or on its host."""

    def __init__(self, frames: Float[Tensor, "F M"], lengths: Sequence[int], device: torch.device) -> None:
        self.frames, self.lengths, self.device = frames, torch.tensor(lengths), device
        self.resident = frames.device.type == device.type

    def gather(self, starts: Int[Tensor, " B"], length: int) -> Float[Tensor, "B T M"]:
        """See `PackedFrames`."""
        index = starts.unsqueeze(1) + torch.arange(length, device=starts.device)
        return self.frames[index].float()

    def describe(self) -> str:
        """See `PackedFrames`."""
        name = str(self.frames.dtype).removeprefix("torch.")
        place = "the memory of " + str(self.device) if self.resident else "host memory"
        size = self.frames.nbytes + 2 * CHUNK + LISTED * len(self.lengths)
        return f"{size / 1e9:.2f} GB of features ({name}), loading and lists included, in {place}"


class MappedFrames:
    """Frames in the arks of a dump, mapped into memory: the system reads what is asked for, and may forget it."""

    resident = False

    def __init__(self, store: MatrixStore, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths, self.device = torch.tensor(lengths), device
        self._width = 4 * store.width
        self._firsts = np.cumsum([0, *lengths[:-1]])
        places = [store.place(utterance.utt_id) for utterance in store.data]
        self._arks = [np.memmap(ark, np.uint8, mode="r") for ark in dict.fromkeys(ark for ark, _ in places)]
        numbers = {ark: number for number, ark in enumerate(dict.fromkeys(ark for ark, _ in places))}
        self._ark = np.array([numbers[ark] for ark, _ in places])
        self._offset = np.array([offset for _, offset in places])

    def gather(self, starts: Int[Tensor, " B"], length: int) -> Float[Tensor, "B T M"]:
        """See `PackedFrames`."""
        first = starts.numpy()
        utterance = np.searchsorted(self._firsts, first, side="right") - 1
        begins = self._offset[utterance] + (first - self._firsts[utterance]) * self._width
        found = np.empty((len(first), length * self._width), np.uint8)
        for number, ark in enumerate(self._arks):
            rows = self._ark[utterance] == number
            found[rows] = np.lib.stride_tricks.sliding_window_view(ark, length * self._width)[begins[rows]]
        return torch.from_numpy(found.view("<f4").reshape(len(first), length, -1))

    def describe(self) -> str:
        """See `PackedFrames`."""
        size = int(self.lengths.sum()) * self._width
        lists = LISTED * len(self.lengths) / 1e9
        return f"{size / 1e9:.2f} GB of features (float32) mapped from disk, {lists:.2f} GB of lists in memory"


class JoinedFrames:
    """Frames whose columns lie in several places; all of these are resident, or none is."""

    def __init__(self, parts: Sequence[PackedFrames]) -> None:
        self._parts, self.lengths = parts, parts[0].lengths
        self.device, self.resident = parts[0].device, parts[0].resident

    def gather(self, starts: Int[Tensor, " B"], length: int) -> Float[Tensor, "B T M"]:
        """See `PackedFrames`."""
        return torch.cat([part.gather(starts, length) for part in self._parts], dim=-1)

    def describe(self) -> str:
        """See `PackedFrames`."""
        return " and ".join(part.describe() for part in self._parts)


def _fill(frames: Tensor, utterances: Iterator[NDArray[np.float32]]) -> None:
    # In pieces, so that the corpus is never in memory twice, and a GPU is not sent to for every utterance.
    start, waiting, size = 0, list[Tensor](), 0
    for mel in utterances:
        waiting.append(torch.from_numpy(mel))
        size += mel.nbytes
        if size >= CHUNK:
            start, waiting, size = _put(frames, start, waiting), [], 0
    if waiting:
        _put(frames, start, waiting)


def _put(frames: Tensor, start: int, parts: Sequence[Tensor]) -> int:
    end = start + sum(map(len, parts))
    frames[start:end] = torch.cat(list(parts)).to(frames.device)
    return end


def _choose(size: int, device: torch.device, sharers: int) -> Residency:
    if device.type == "cuda" and size <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return "device"
    if sharers * size <= SHARE * _available_memory():
        return "host" if device.type == "cuda" else "device"
    return "disk"


def _available_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _dtype(storage: Storage) -> torch.dtype:
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[storage]
