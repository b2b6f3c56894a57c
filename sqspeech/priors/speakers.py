"""Speakers as a condition of a prior: its classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass as plain_dataclass

import torch
from jaxtyping import Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.errors import DataError

# The class of a speaker that is not known.
UNKNOWN = 0


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class ConditionConfig:
    """Condition of a prior: with `speakers`, who speaks, but in the share `unknown` of the windows of training.

    Of an unknown speaker it is then the prior of any.
    """

    speakers: bool = False
    unknown: float = Field(default=0.1, ge=0, le=1)


@plain_dataclass(frozen=True)
class SpeakerClasses:
    """The class of each speaker; without names, of a prior that has no classes.

    Attributes
    ----------
    names
        Of the speakers, in the order of their classes from 1 on.
    """

    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of classes."""
        return len(self.names) + 1 if self.names else 0

    @classmethod
    def of(cls, utterances: Iterable[str], speakers: Mapping[str, str]) -> "SpeakerClasses":
        """Return the classes of the speakers of utterances; a DataError where one has no speaker."""
        unknown = [utterance for utterance in utterances if utterance not in speakers]
        if unknown:
            raise DataError(
                f"{unknown[0]}: its speaker is not known; extract the units again, from a data directory, or set "
                "condition.speakers to false"
            )
        return cls(tuple(sorted({speakers[utterance] for utterance in utterances})))

    def find(self, speakers: Iterable[str | None]) -> Int[Tensor, " B"]:
        """Return the class of each speaker, which is `UNKNOWN` of one that has none."""
        places = {name: place for place, name in enumerate(self.names, 1)}
        return torch.tensor([places.get(name or "", UNKNOWN) for name in speakers])
