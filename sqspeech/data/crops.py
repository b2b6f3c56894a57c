"""Random training crops: a batch is one gather, drawn where the frames are."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.data.frame_cache import PackedFrames, Storage
from sqspeech.data.random_hash import hash_numbers, uniform
from sqspeech.errors import ConfigError, DataError

# The encoder's first convolution takes one frame at each side of what is reconstructed.
CONTEXT = 2
# Draws of a crop: which speaker or utterance, which position, which utterance of the speaker.
DRAWS = 3


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CropConfig:
    """A batch: `batch_size` crops of `frames` reconstructed frames each, a multiple of the encoder's stride.

    `sampling` draws first an utterance uniformly and then a position uniformly over all that fit (utterance, the
    published way); or all positions of all utterances alike (duration); or first a speaker, then an utterance of
    theirs, then a position (speaker). `storage` is what the features are held in: half precision takes half the
    memory.
    """

    batch_size: int = Field(default=52, ge=2)
    frames: int = Field(default=32, ge=1)
    sampling: Literal["utterance", "duration", "speaker"] = "utterance"
    storage: Storage = "float32"


class Crops:
    """The crops of every step: a function of the seed and the step alone.

    Neither resuming, nor the device, nor the number of processes changes what a step sees.

    Parameters
    ----------
    frames
        Of all utterances.
    speakers
        The speaker index of each utterance.
    config
        The batch.
    seed
        Of the draws.
    part
        This process's rank and the number of processes that share a batch: consecutive rows each.
    context
        The frames that the encoder needs beside those that are reconstructed.

    Attributes
    ----------
    left_out
        How many utterances are shorter than a crop with its context.
    on_device
        Whether the frames are on the training device: `batch` then takes a key from there and waits for nothing.

    Raises
    ------
    DataError
        No utterance is long enough.
    ConfigError
        The batch cannot be shared out evenly.
    """

    def __init__(
        self,
        frames: PackedFrames,
        speakers: Sequence[int],
        config: CropConfig,
        *,
        seed: int,
        part: tuple[int, int] = (0, 1),
        context: int = CONTEXT,
    ) -> None:
        self.seed, self.on_device = seed, frames.resident
        self._frames, self._length, self._sampling = frames, config.frames + context, config.sampling
        kept = torch.nonzero(frames.lengths >= self._length).flatten()
        self.left_out = len(frames.lengths) - len(kept)
        if not len(kept):
            longest = int(frames.lengths.max()) if len(frames.lengths) else 0
            raise DataError(
                f"no utterance reaches the {self._length} frames of a crop with its context (the longest of "
                f"{len(frames.lengths)} has {longest}); set crops.frames lower or give longer recordings"
            )
        home = frames.device if frames.resident else torch.device("cpu")
        speaker = torch.tensor(speakers)[kept]
        kept, speaker = kept[speaker.argsort(stable=True)], speaker.sort(stable=True).values
        self._starts = (frames.lengths.cumsum(0) - frames.lengths)[kept].to(home)
        self._positions = (frames.lengths[kept] - self._length + 1).to(home)
        self._ends = self._positions.cumsum(0)
        self._total = int(self._ends[-1])
        self._speakers = speaker.to(home)
        counts = torch.bincount(speaker).to(home)
        counts = counts[counts > 0]
        self._first, self._count = counts.cumsum(0) - counts, counts
        rows = _rows(config.batch_size, part)
        self._places = (1 + DRAWS * rows + torch.arange(DRAWS).unsqueeze(1)).to(home)

    def key(self, step: int) -> int:
        """Return the key of a step's draws."""
        return hash_numbers(self.seed, step)

    def batch(self, key: int | Int[Tensor, ""]) -> tuple[Float[Tensor, "B T M"], Int[Tensor, " B"]]:
        """Return this process's crops of a step, T = frames + context, and the speakers' indices, where the frames are.

        `key` is that of the step, as a number or as a tensor there.
        """
        choice, position, within = uniform(key, self._places)
        if self._sampling == "duration":
            place = (choice * self._total).long()
            utterance = torch.searchsorted(self._ends, place, right=True)
            offset = place - (self._ends - self._positions)[utterance]
        else:
            utterance = self._utterance(choice, within)
            offset = (position * self._positions[utterance]).long()
        return self._frames.gather(self._starts[utterance] + offset, self._length), self._speakers[utterance]

    def describe(self) -> str:
        """Return one line: how much memory the frames take, of what, and how many utterances are left out."""
        return f"{self._frames.describe()}; {self.left_out} utterances are shorter than a crop and left out"

    def _utterance(self, choice: Tensor, within: Tensor) -> Tensor:
        if self._sampling == "utterance":
            return (choice * len(self._positions)).long()
        speaker = (choice * len(self._count)).long()
        utterance: Tensor = self._first[speaker] + (within * self._count[speaker]).long()
        return utterance


def _rows(batch_size: int, part: tuple[int, int]) -> Int[Tensor, " B"]:
    index, count = part
    if batch_size % count:
        raise ConfigError(
            f"crops.batch_size = {batch_size} cannot be shared out between {count} processes; take a number of "
            "processes that divides it, or another batch_size"
        )
    return torch.arange(batch_size // count) + index * (batch_size // count)
