"""Pitch of converted speech: what is asked for, and the excitation that follows from it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.pieces import Piece
from sqspeech.codec.speakers import TargetSpeaker
from sqspeech.errors import DataError
from sqspeech.pitch import (
    Excitation,
    SpeakerPitch,
    aperiodicity,
    f0_range,
    move_f0,
    quick_f0,
    shift_f0,
    speaker_pitch,
    track_f0,
)

type Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class PitchRule:
    """Treatment of the source's F0.

    Attributes
    ----------
    kind
        `target` moves it to the target's mean and standard deviation where those are known, `keep` leaves it, `shift`
        moves it by `semitones`.
    semitones
        For `shift`.
    """

    kind: Literal["target", "keep", "shift"]
    semitones: float = 0.0

    @classmethod
    def parse(cls, text: "str | PitchRule") -> "PitchRule":
        """Return the rule of `target`, `keep`, or semitones with their sign such as `+4` and `-2.5`.

        Raises
        ------
        DataError
            The text is none of these.
        """
        if isinstance(text, PitchRule):
            return text
        if text == "target":
            return cls(kind="target")
        if text == "keep":
            return cls(kind="keep")
        if re.fullmatch(r"[+-]\d+(\.\d+)?", text):
            return cls(kind="shift", semitones=float(text))
        raise DataError(f"pitch {text}: expected target, keep, or semitones with their sign, such as +4 or -2.5")

    def __str__(self) -> str:
        return f"{self.semitones:+g}" if self.kind == "shift" else self.kind

    def __call__(
        self, f0: NDArray[np.float64], source: SpeakerPitch | None, target: SpeakerPitch | None
    ) -> NDArray[np.float64]:
        """Return F0 in Hz (T,) as it is asked for, given the statistics of the source and of the target."""
        if self.kind == "shift":
            return shift_f0(f0, self.semitones)
        # A source without voiced speech has nothing to move, and of a target without it nothing is known to move to.
        return move_f0(f0, source, target) if self.kind == "target" and source and target else f0


KEEP = PitchRule(kind="keep")


def excitations(
    samples: Samples,
    pieces: Sequence[Piece],
    speakers: Sequence[TargetSpeaker | None],
    rule: PitchRule,
    known: SpeakerPitch | None,
    *,
    sample_rate: int,
    hop_length: int,
    advance: Callable[[float], None] = lambda seconds: None,
) -> Iterator[list[Excitation]]:
    """Yield, for each piece of a recording, the excitation for each speaker.

    `known` is the pitch of the source's speaker over much speech; that of this recording when None. First of all the
    whole recording is searched for its limits; `advance` is given the length of each piece of it then, in seconds.
    """
    quick = list[NDArray[np.float64]]()
    for piece in pieces:
        quick.append(quick_f0(samples[piece.decoded], sample_rate, hop_length))
        advance(piece.seconds(sample_rate))
    limits = f0_range(np.concatenate(quick))
    source = known or speaker_pitch(quick)
    for piece in pieces:
        part = samples[piece.decoded]
        f0 = track_f0(part, sample_rate, hop_length, limits)
        noise = cache(partial(aperiodicity, part, f0, sample_rate, hop_length))
        targets = [speaker.pitch if speaker else None for speaker in speakers]
        yield [Excitation(f0=rule(f0, source, target), aperiodicity=noise) for target in targets]
