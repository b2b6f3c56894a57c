"""The mini corpus: eight synthetic voices that all speak the same sentences.

`python -m data_prep.mini DATA_DIR` writes `wav/<spk>/<spk>-<NNN>.wav` and the Kaldi data directories `train`,
`dev` and `test`, each with the `phones.item` that ABX reads. An item's interval is that of the phone itself,
and its neighbours are the context in which it is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from data_prep import espeak
from data_prep.command import run
from data_prep.espeak import SAMPLE_RATE, Speech, Voice
from data_prep.phones import SILENCE, item_lines, phones_of, write_item
from data_prep.sentences import DEV, TEST, TRAIN
from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance

# Variants that differ in their formants, none of which uses the C library's random numbers (breath, the Klatt
# synthesizer): those are not the same on every machine. The pitches spread the voices' F0 evenly.
VOICES = {
    "f1": Voice(name="en-us+f1", pitch=43),
    "f2": Voice(name="en-us+belinda", pitch=40),
    "f3": Voice(name="en-us+linda", pitch=48),
    "f4": Voice(name="en-us+Annie", pitch=55),
    "m1": Voice(name="en-us+quincy", pitch=42),
    "m2": Voice(name="en-us+Michael", pitch=26),
    "m3": Voice(name="en-us+m3", pitch=50),
    "m4": Voice(name="en-us+m4", pitch=76),
}
SETS = ("train",) * len(TRAIN) + ("dev",) * len(DEV) + ("test",) * len(TEST)
MARGIN = round(0.1 * SAMPLE_RATE)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The data directories by name, how long the audio is and which phones it has."""

    sets: dict[str, DataDir]
    minutes: float
    phones: frozenset[str]


def prepare(data_dir: Path) -> Prepared:
    """Write the corpus; what an earlier run left is replaced.

    Raises
    ------
    DataError
        espeak-ng cannot be loaded.
    SqspeechError
        `data_dir` cannot be written.
    """
    utterances: list[Utterance] = []
    items: dict[str, list[str]] = {name: [] for name in SETS}
    labels: set[str] = set()
    n_samples = 0
    spoken = espeak.speak(list(VOICES.values()), TRAIN + DEV + TEST)
    for spk_id, speeches in zip(VOICES, spoken, strict=True):
        for utterance, speech, name in zip(_utterances(data_dir, spk_id), speeches, SETS, strict=True):
            padded = _pad(speech)
            phones = phones_of(padded)
            audio.write(utterance.path, (padded.samples / 32768).astype(np.float32), SAMPLE_RATE)
            items[name] += item_lines(utterance.utt_id, spk_id, phones)
            labels |= {phone.label for phone in phones} - {SILENCE}
            n_samples += len(padded.samples)
            utterances.append(utterance)
    corpus = DataDir(tuple(utterances), {spk_id: spk_id[0] for spk_id in VOICES})
    sets = corpus.split(lambda utterance: SETS[int(utterance.utt_id[-3:]) - 1])
    for name, part in sets.items():
        part.write(data_dir / name)
        write_item(data_dir / name / "phones.item", items[name])
    return Prepared(sets=sets, minutes=n_samples / SAMPLE_RATE / 60, phones=frozenset(labels))


def _utterances(data_dir: Path, spk_id: str) -> Iterator[Utterance]:
    for number, text in enumerate(TRAIN + DEV + TEST, start=1):
        utt_id = f"{spk_id}-{number:03d}"
        yield Utterance(utt_id=utt_id, spk_id=spk_id, path=data_dir / "wav" / spk_id / f"{utt_id}.wav", text=text)


def _pad(speech: Speech) -> Speech:
    """Add silence at both ends, so that the first and last phones have whole frames around them."""
    return Speech(
        samples=np.pad(speech.samples, MARGIN),
        phones=tuple((mnemonic, start + MARGIN) for mnemonic, start in speech.phones),
    )


def main(
    data_dir: Annotated[Path, typer.Argument(help="Folder to write wav/, train/, dev/ and test/ into.")],
) -> None:
    """Speak the mini corpus with espeak-ng."""
    prepared = prepare(data_dir)
    sizes = {name: len(prepared.sets[name]) for name in ("train", "dev", "test")}
    parts = ", ".join(f"{name} {size}" for name, size in sizes.items())
    print(
        f"{data_dir}: {sum(sizes.values())} utterances ({parts}), "
        f"{prepared.minutes:.1f} minutes, {len(VOICES)} speakers, {len(prepared.phones)} phones"
    )


if __name__ == "__main__":
    run(main)
