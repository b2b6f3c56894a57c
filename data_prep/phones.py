"""Phones with their times, and the item files in which ABX reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.espeak import SAMPLE_RATE, Speech
from sqspeech.atomic import write_text

SILENCE = "SIL"
ITEM_HEADER = "#file onset offset #phone prev-phone next-phone speaker\n"

# A phone shorter than a frame of 50 Hz may have no frame at all, which fastabx refuses.
SHORTEST_ITEM = 0.02

# ARPAbet of espeak-ng's American English, with the schwa (AX), the flap (DX), the syllabic l (EL), and the
# vowels before r that espeak-ng makes as one sound (AAR as in car).
ARPABET = {
    "_": SILENCE, "_:": SILENCE,
    "p": "P", "b": "B", "t": "T", "t2": "T", "t#": "DX", "d": "D", "k": "K", "g": "G", "tS": "CH", "dZ": "JH",
    "f": "F", "v": "V", "T": "TH", "D": "DH", "s": "S", "z": "Z", "S": "SH", "Z": "ZH", "h": "HH",
    "m": "M", "n": "N", "N": "NG", "l": "L", "@L": "EL", "r": "R", "r-": "R", "w": "W", "j": "Y",
    "i:": "IY", "i": "IY", "I": "IH", "I2": "IH", "I#": "IH", "E": "EH", "a": "AE", "aa": "AE",
    "0": "AA", "A:": "AA", "O:": "AO", "O2": "AO", "U": "UH", "u:": "UW", "V": "AH",
    "@": "AX", "@2": "AX", "a#": "AX", "3": "ER", "3:": "ER",
    "eI": "EY", "aI": "AY", "OI": "OY", "aU": "AW", "oU": "OW",
    "i@": "IHR", "i@3": "IHR", "e@": "EHR", "A@": "AAR", "O@": "AOR", "o@": "AOR", "U@": "UHR",
    "aI3": "AYR",
}  # fmt: skip
STRESS_MARKS = "',%="
# The glide between a front vowel and the next vowel, no phone of its own: the vowel goes on.
GLIDE = ";"

STOPS = frozenset({"P", "B", "T", "D", "K", "G", "CH", "JH"})
LONGEST_CLOSURE = round(0.05 * SAMPLE_RATE)
LOUDEST_CLOSURE = 60  # of 32768


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A phone, or silence, from `onset` to `offset` in seconds, to 0.1 ms."""

    label: str
    onset: float
    offset: float


def phones_of(speech: Speech) -> list[Phone]:
    """Return the phones of `speech` one after another, the silences among them.

    espeak-ng announces a stop at its burst; the silence before it, the closure, is given back to the stop.
    """
    marks = [(mnemonic.strip(STRESS_MARKS), start) for mnemonic, start in speech.phones]
    marks = [(ARPABET[mnemonic], start) for mnemonic, start in marks if mnemonic != GLIDE]
    marks = [(SILENCE, 0), *marks, (SILENCE, len(speech.samples))]
    onsets = [0]
    for (_, previous), (label, start) in pairwise(marks):
        onsets.append(start - _closure(speech.samples[previous:start]) if label in STOPS else start)
    times = [round(onset / SAMPLE_RATE, 4) for onset in onsets]
    return [
        Phone(label=label, onset=onset, offset=offset)
        for (label, _), (onset, offset) in zip(marks, pairwise(times), strict=False)
    ]


def _closure(samples: NDArray[np.int16]) -> int:
    """Return how many of the last samples are silent, at most `LONGEST_CLOSURE`."""
    last = samples[-LONGEST_CLOSURE:].astype(int)
    loud = np.flatnonzero(np.abs(last) > LOUDEST_CLOSURE)
    return len(last) - (int(loud[-1]) + 1 if len(loud) else 0)


def item_lines(utt_id: str, spk_id: str, phones: Iterable[Phone]) -> Iterator[str]:
    """Yield one utterance's lines of an item file, one line a phone.

    The interval is that of the phone itself and its neighbours are named as context, as in the item files of
    phones (not of triphones). Silences and phones too short for a frame are context alone.
    """
    phones = list(phones)
    for previous, phone, following in zip(phones, phones[1:], phones[2:], strict=False):
        if phone.label != SILENCE and round(phone.offset - phone.onset, 4) >= SHORTEST_ITEM:
            times = f"{phone.onset:.4f} {phone.offset:.4f}"
            yield f"{utt_id} {times} {phone.label} {previous.label} {following.label} {spk_id}\n"


def write_item(path: Path, lines: Iterable[str]) -> None:
    """Write an item file, `#file onset offset #phone prev-phone next-phone speaker`, times in seconds."""
    write_text(path, ITEM_HEADER + "".join(lines))


def filter_item(source: Path, target: Path, utt_ids: set[str]) -> None:
    """Copy the lines of the named utterances, and the header, from one item file to another."""
    lines = source.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.partition(" ")[0] in utt_ids]
    write_text(target, "".join(lines[:1] + kept))
