"""Recordings under whatever names a corpus gives them, made into utterances with safe ids."""

import itertools
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from data_prep.held_out import Shares, assign
from data_prep.inventory import Inventory
from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.names import distinct, shown
from sqspeech.progress import track
from sqspeech.segment_times import TOLERANCE

SETS = ("train", "dev", "test")
# In place of the speaker, where there is none to name.
NOBODY = "?"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording, or its part from `start` to `end` seconds, as its corpus names it.

    `name` is what the reports call it. The utterance id is made from `speaker` and `label`; what agrees in both is
    taken for the same recording.
    """

    name: str
    speaker: str
    label: str
    path: Path
    start: float = 0.0
    end: float | None = None
    text: str | None = None
    gender: str | None = None


def spoken(text: str | None) -> str | None:
    """Return a transcript on one line, or None when it has no word."""
    return " ".join((text or "").split()) or None


def safe_speaker(name: str) -> str:
    """Return `name` with "_" for every character that a speaker's id cannot have, the hyphen among them.

    The hyphen ends the speaker in an utterance id. As every character that is left sorts after it, speakers sort as
    their utterances do even when one's name begins with another's.
    """
    return re.sub(r"^\.|[^\w.]", "_", unicodedata.normalize("NFC", name))


def safe_label(label: str) -> str:
    """Return `label` with "-" for "/" and "_" for every other character that an id cannot have."""
    return re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", label).replace("/", "-"))


def collect(recordings: Iterable[Recording], shares: Shares, inventory: Inventory) -> None:
    """Make the sets of `inventory` from what can be read of `recordings`, and note there what cannot.

    Ids depend on all recordings, readable or not, so that a file that is repaired later renames no other.
    """
    named = _named(recordings, inventory)
    rec_ids = _rec_ids(named.values())
    spoken_by: dict[str, list[Utterance]] = {}
    genders: dict[str, set[str]] = {}
    lost: list[str] = []
    for (spk_id, utt_id), recording in track(named.items(), "Reading headers", len(named)):
        span = _span(recording, spk_id, inventory, lost)
        if span is None:
            continue
        utterance = Utterance(
            utt_id=utt_id,
            spk_id=spk_id,
            path=recording.path,
            rec_id=rec_ids.get(recording.path),
            start=span[0],
            end=None if recording.end is None else span[1],
            text=recording.text,
        )
        spoken_by.setdefault(spk_id, []).append(utterance)
        genders.setdefault(spk_id, set()).update([recording.gender] if recording.gender else [])
        inventory.seconds[utt_id] = span[1] - span[0]
    if lost:
        inventory.remarks.append(
            f"recordings that are not read to the end of their file: {len(lost)}, such as {lost[0]}"
        )
    _split(spoken_by, _certain(genders, inventory), shares, inventory)


def _named(recordings: Iterable[Recording], inventory: Inventory) -> dict[tuple[str, str], Recording]:
    """Return the recordings by speaker id and utterance id, without those that stand twice."""
    by_speaker: dict[str, dict[str, Recording]] = {}
    for recording in recordings:
        first = by_speaker.setdefault(recording.speaker, {}).setdefault(recording.label, recording)
        if first is not recording:
            spk_id = safe_speaker(recording.speaker)
            inventory.skip(recording.name, spk_id, "stands twice", f"has the id of {first.name}")
    spk_ids = distinct(by_speaker, safe_speaker)
    named: dict[tuple[str, str], Recording] = {}
    numbered = [f"{spk_ids[name]} for {shown(name)}" for name in by_speaker if spk_ids[name] != safe_speaker(name)]
    for speaker, by_label in by_speaker.items():
        for label, form in distinct(by_label, safe_label).items():
            utt_id = f"{spk_ids[speaker]}-{form}"
            named[spk_ids[speaker], utt_id] = by_label[label]
            if form != safe_label(label):
                numbered.append(f"{utt_id} for {by_label[label].name}")
    if numbered:
        inventory.remarks.append(f"equal names, distinguished by a number: {len(numbered)}, such as {numbered[0]}")
    return named


def _rec_ids(recordings: Collection[Recording]) -> dict[Path, str]:
    """Return the id of each file where utterances are parts of files, else nothing."""
    if all(recording.end is None and not recording.start for recording in recordings):
        return {}
    paths = {recording.path for recording in recordings}
    base = os.path.commonpath([path.parent for path in paths])
    forms = distinct((str(path.relative_to(base)) for path in paths), _safe_file)
    return {path: forms[str(path.relative_to(base))] for path in paths}


def _safe_file(name: str) -> str:
    return safe_label(name.removesuffix(Path(name).suffix))


def _span(recording: Recording, spk_id: str, inventory: Inventory, lost: list[str]) -> tuple[float, float] | None:
    """Return where the utterance begins and ends, in seconds, or note why it cannot be used."""
    try:
        if not recording.path.is_file():
            raise FileNotFoundError(f"{recording.path} is not there")
        info = audio.probe(recording.path)
    except FileNotFoundError as error:
        inventory.skip(recording.name, spk_id, "no such file", shown(error))
    except (DataError, OSError) as error:
        inventory.skip(recording.name, spk_id, "unreadable or empty", shown(error))
    else:
        seconds = info.seconds
        lost += [f"{recording.name} ({info.note})"] if info.note else []
        end = seconds if recording.end is None else recording.end
        if not recording.start < min(end, seconds) or end > seconds + TOLERANCE:
            detail = f"{recording.start} to {end} s of {seconds:.3f} s"
            inventory.skip(recording.name, spk_id, "times outside the recording", detail)
        elif not _fits_wav_scp(recording.path):
            inventory.skip(recording.name, spk_id, "a path that wav.scp cannot hold", "line breaks or not UTF-8")
        else:
            return recording.start, min(end, seconds)
    return None


def _fits_wav_scp(path: Path) -> bool:
    name = str(path)
    return name == name.strip() and not set(name) & set("\r\n") and shown(name) == " ".join(name.split())


def _certain(genders: dict[str, set[str]], inventory: Inventory) -> dict[str, str]:
    unsure = sorted(spk_id for spk_id, found in genders.items() if len(found) > 1)
    if unsure:
        inventory.remarks.append(f"speakers of more than one gender, so without one: {', '.join(unsure)}")
    return {spk_id: min(found) for spk_id, found in genders.items() if len(found) == 1}


def _split(
    spoken_by: dict[str, list[Utterance]], genders: dict[str, str], shares: Shares, inventory: Inventory
) -> None:
    names: dict[str, str] = {}
    for utterances in spoken_by.values():
        names.update(assign([utterance.utt_id for utterance in utterances], shares))
    corpus = DataDir(tuple(itertools.chain.from_iterable(spoken_by.values())), genders)
    sets = corpus.split(lambda utterance: names[utterance.utt_id])
    inventory.sets.update({name: sets[name] for name in SETS if name in sets})
