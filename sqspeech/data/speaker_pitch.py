"""The pitch of the speakers of a dump, measured on some of their speech while the features are made."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech.corpus import Workers, map_in_order
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.tables import read_table, write_table
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig
from sqspeech.pitch import SpeakerPitch, quick_f0, speaker_pitch
from sqspeech.progress import track

NAME = "spk2pitch"
# Of each speaker; the mean then moves by a small part of a semitone when more is taken.
ENOUGH_SECONDS = 60.0

type F0 = NDArray[np.float64]


def write_speaker_pitch(
    path: Path, data: DataDir, frames: Mapping[str, int], config: LogMelConfig, workers: Workers
) -> None:
    """Write `path`/spk2pitch: speaker, then mean and standard deviation of ln F0, F0 in Hz.

    A speaker without voiced speech is left out.

    Parameters
    ----------
    path
        The dump.
    data
        Its utterances.
    frames
        How many frames each utterance has.
    config
        The dump's.
    workers
        Where it is measured; the file does not depend on them.
    """
    chosen = [utterance for _, own in groupby(data, _speaker) for utterance in _enough(list(own), frames, config)]
    with closing(map_in_order(Measurement(config), chosen, workers, died=_no_f0)) as tracks:
        pairs = zip(chosen, track(tracks, "pitch", len(chosen)), strict=True)
        of_speakers = groupby(pairs, lambda pair: pair[0].spk_id)
        found = {speaker: speaker_pitch(f0 for _, f0 in own) for speaker, own in of_speakers}
    table = {speaker: f"{pitch.log_mean:.4f} {pitch.log_std:.4f}" for speaker, pitch in found.items() if pitch}
    write_table(path / NAME, dict(sorted(table.items())))


def read_speaker_pitch(path: Path) -> dict[str, SpeakerPitch]:
    """Read a dump's spk2pitch; a DataError where there is none or it is damaged."""
    try:
        table = {name: [float(value) for value in text.split()] for name, text in read_table(path / NAME).items()}
        return {name: SpeakerPitch(log_mean=mean, log_std=std) for name, (mean, std) in table.items()}
    except ValueError:
        raise DataError(f"{path / NAME}: damaged; remove {path} and run `sqspeech features` again") from None


def _speaker(utterance: Utterance) -> str:
    return utterance.spk_id


def _enough(utterances: list[Utterance], frames: Mapping[str, int], config: LogMelConfig) -> Iterator[Utterance]:
    """Yield utterances from all over the list until they last long enough."""
    # By the largest power of two in the place: however many are taken, they are spread over the list.
    order = sorted(range(len(utterances)), key=lambda number: int(f"{number:020b}"[::-1], 2))
    seconds = 0.0
    for number in order:
        if seconds >= ENOUGH_SECONDS:
            return
        yield utterances[number]
        seconds += frames[utterances[number].utt_id] * config.hop_length / config.sample_rate


@dataclass(frozen=True)
class Measurement:
    """Function of an utterance to its F0."""

    config: LogMelConfig

    def __call__(self, utterance: Utterance) -> F0:
        """Return the F0 of each frame in Hz, 0 where it is unvoiced."""
        rate = self.config.sample_rate
        return quick_f0(utterance.read(rate), rate, self.config.hop_length)


def _no_f0(utterance: Utterance) -> F0:
    return np.zeros(0)
