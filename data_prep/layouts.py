"""Layouts of folders of recordings: the places of the speakers' names and of the texts."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from data_prep import librispeech, libritts, speaker_folders
from data_prep.inventory import Inventory
from data_prep.recordings import Recording
from sqspeech.data.data_dir import Utterance
from sqspeech.data.folder_walk import Listing
from sqspeech.names import shown

EXAMPLES, SHOWN = 3, 60


class Layout(StrEnum):
    """A layout that is known."""

    librispeech = "librispeech"
    libritts = "libritts"
    vctk = "vctk"
    speakers = "speakers"
    flat = "flat"


DESCRIPTIONS = {
    Layout.librispeech: "LibriSpeech: speaker/chapter/speaker-chapter-number, in any number of subsets",
    Layout.libritts: "LibriTTS: speaker/chapter/speaker_chapter_paragraph_sentence, in any number of subsets",
    Layout.vctk: "like VCTK: speaker/speaker_number at some depth, texts in the same folders below txt/",
    Layout.speakers: "a folder a speaker",
    Layout.flat: "a folder without folders for speakers",
}


def recognise(listing: Listing) -> Layout:
    """Return the layout that most recordings of a folder fit."""
    fits: dict[Layout, speaker_folders.Fit] = {
        Layout.librispeech: librispeech.fits,
        Layout.libritts: libritts.fits,
        Layout.vctk: speaker_folders.fits_vctk(listing),
        Layout.flat: lambda path: path.parent == listing.path,
    }
    if librispeech.chapters(listing.files):
        return Layout.librispeech
    for layout, fit in fits.items():
        if 2 * sum(map(fit, listing.recordings)) > len(listing.recordings):
            return layout
    return Layout.speakers


def recordings(layout: Layout, listing: Listing, inventory: Inventory) -> Iterator[Recording]:
    """Yield the recordings of a folder that is laid out so; what does not fit is noted in `inventory`."""
    # Of a recording in several formats the first counts.
    paths = [*listing.recordings, *listing.twins]
    match layout:
        case Layout.librispeech:
            return librispeech.recordings(listing.path, paths, librispeech.chapters(listing.files), inventory)
        case Layout.libritts:
            return libritts.recordings(listing.path, paths, inventory)
        case Layout.vctk:
            return speaker_folders.like_vctk(listing, paths, inventory)
        case Layout.flat:
            return speaker_folders.flat(listing, paths, inventory)
    return speaker_folders.by_folder(listing, paths, inventory)


def describe(layout: Layout) -> str:
    """Return what a folder was taken for."""
    return f"taken for {layout} ({DESCRIPTIONS[layout]}); --layout decides otherwise"


def examples(utterances: Iterable[Utterance]) -> list[str]:
    """Return the id, the speaker, and the text or else the path of a few utterances, of several speakers."""
    seen: dict[str, int] = {}
    ranked = []
    for utterance in utterances:
        seen[utterance.spk_id] = seen.get(utterance.spk_id, 0) + 1
        ranked.append((seen[utterance.spk_id], utterance.utt_id, utterance))
    rows = [utterance for *_, utterance in sorted(ranked, key=lambda row: row[:2])[:EXAMPLES]]
    return [f"  {u.utt_id}, speaker {u.spk_id}: {_shortened(shown(u.text or u.path))}" for u in rows]


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
