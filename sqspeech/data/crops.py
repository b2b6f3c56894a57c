"""Random training crops, resident on the device."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.errors import DataError

# The encoder's first convolution takes one frame at each side of what is reconstructed.
CONTEXT = 2


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CropConfig:
    """A batch: `batch_size` crops of `frames` reconstructed frames each (an even number)."""

    batch_size: int = Field(default=52, ge=2)
    frames: int = Field(default=32, ge=2, multiple_of=2)


class Crops:
    """All utterances packed into one tensor on the device; a batch is one gather.

    A crop's utterance is drawn uniformly, then its position uniformly over all that fit. The draws are a
    function of (seed, step) alone, so a resumed run sees the crops that an uninterrupted one would have.

    Parameters
    ----------
    utterances
        Log-mels of shape (T, M).
    speakers
        The speaker index of each.
    config
        The batch.
    seed
        Of the draws.
    device
        Where the frames live.

    Attributes
    ----------
    left_out
        How many utterances are shorter than a crop with its context.

    Raises
    ------
    DataError
        No utterance is long enough.
    """

    def __init__(
        self,
        utterances: Sequence[NDArray[np.float32]],
        speakers: Sequence[int],
        config: CropConfig,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        length = config.frames + CONTEXT
        kept = [i for i, mel in enumerate(utterances) if len(mel) >= length]
        if not kept:
            longest = max((len(mel) for mel in utterances), default=0)
            raise DataError(
                f"no utterance reaches the {length} frames of a crop with its context (the longest of "
                f"{len(utterances)} has {longest}); set crops.frames lower or give longer recordings"
            )
        self.left_out = len(utterances) - len(kept)
        self.seed, self.batch_size, self.device = seed, config.batch_size, device
        lengths = torch.tensor([len(utterances[i]) for i in kept])
        self._positions = lengths - length + 1
        self._starts = lengths.cumsum(0) - lengths
        self._speakers = torch.tensor([speakers[i] for i in kept])
        self._window = torch.arange(length)
        self._frames = torch.from_numpy(np.concatenate([utterances[i] for i in kept])).to(device)

    def batch(self, step: int) -> tuple[Float[Tensor, "B T M"], Int[Tensor, " B"]]:
        """Return the crops of a step, T = frames + 2, and the speakers' indices."""
        generator = torch.Generator().manual_seed(_mix(self.seed, step))
        utterance = torch.randint(len(self._positions), (self.batch_size,), generator=generator)
        fraction = torch.rand(self.batch_size, generator=generator, dtype=torch.float64)
        position = (fraction * self._positions[utterance]).long()
        index = (self._starts[utterance] + position).unsqueeze(1) + self._window
        return self._frames[index.to(self.device)], self._speakers[utterance].to(self.device)


def _mix(seed: int, step: int) -> int:
    # Seeds of neighbouring runs must not share streams at shifted steps, so the pair is hashed.
    state = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    return int(state[0])
