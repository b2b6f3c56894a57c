"""Speech to measure with: recordings, or synthesised, as files of several kinds, and lists of them of any length."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep import espeak
from data_prep.mini import VOICES
from data_prep.sentences import TRAIN
from sqspeech import audio
from sqspeech.data.data_dir import Utterance
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError

type Samples = NDArray[np.float32]

RATE = 16000
# The utterances whose number is varied to see what memory they take.
SHORT = 0.5


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """The same mono speech, `seconds` in all, as files of 16 bits."""

    flac_16k: list[Path]
    flac_48k: list[Path]
    wav_48k: list[Path]
    seconds: float


def recorded(paths: Sequence[Path]) -> Iterator[Samples]:
    """Yield the recordings, resampled to 16 kHz, in an order that is random and always the same."""
    found = read_inputs(paths)
    random.Random(0).shuffle(found)
    return (utterance.read(RATE) for utterance in found)


def synthesised() -> Iterator[Samples]:
    """Yield the mini corpus's training sentences at 16 kHz, spoken by two of its voices."""
    for speeches in espeak.speak([VOICES["f1"], VOICES["m1"]], TRAIN):
        for speech in speeches:
            yield audio.resample((speech.samples / 32768).astype(np.float32), espeak.SAMPLE_RATE, RATE)


def write_recordings(speech: Iterator[Samples], folder: Path, minutes: float) -> Recordings:
    """Write the first `minutes` of the speech; what is no longer than `SHORT` is left out.

    Raises
    ------
    DataError
        All of it is.
    """
    kinds: dict[str, list[Path]] = {"flac_16k": [], "flac_48k": [], "wav_48k": []}
    seconds = 0.0
    for number, samples in enumerate(part for part in speech if len(part) > SHORT * RATE):
        for kind, paths in kinds.items():
            suffix, rate = kind.removesuffix("k").split("_")
            paths.append(folder / f"{number:05}-{rate}k.{suffix}")
            resampled = audio.resample(samples, RATE, 1000 * int(rate))
            audio.write(paths[-1], resampled.clip(-1, 1), 1000 * int(rate))
        seconds += len(samples) / RATE
        if seconds >= 60 * minutes:
            break
    if not seconds:
        raise DataError(f"none of the recordings is longer than {SHORT} s; give others")
    return Recordings(**kinds, seconds=seconds)


def corpus(paths: Sequence[Path], times: int) -> list[Utterance]:
    """Return the recordings, each so many times under other ids."""
    listed = islice(cycle(paths), times * len(paths))
    return [Utterance(utt_id=f"{number:06}", spk_id=f"{number:06}", path=path) for number, path in enumerate(listed)]


def short_corpus(paths: Sequence[Path], count: int) -> list[Utterance]:
    """Return so many parts of `SHORT` seconds, which overlap where there are more than fill the recordings."""
    room = {path: audio.probe(path).seconds - SHORT for path in paths}
    starts = [(path, (0.37 * number) % room[path]) for number, path in enumerate(islice(cycle(paths), count))]
    return [
        Utterance(
            utt_id=f"{number:06}", spk_id=f"{number:06}", rec_id=path.stem, path=path, start=start, end=start + SHORT
        )
        for number, (path, start) in enumerate(starts)
    ]
