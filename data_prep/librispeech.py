"""A LibriSpeech tree: <speaker>/<chapter>/<speaker>-<chapter>-<number>.flac, and the chapter's transcript beside it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from data_prep.inventory import Inventory
from data_prep.recordings import Recording, spoken
from sqspeech.names import shown

TRANSCRIPT = ".trans.txt"
# LibriSpeech has the one, LibriTTS the other.
SPEAKERS = ("SPEAKERS.TXT", "SPEAKERS.txt")


def chapters(files: Iterable[Path]) -> dict[Path, Path]:
    """Return the transcript of each chapter's folder; none when `files` are no LibriSpeech tree."""
    return {
        path.parent: path for path in files if path.name == f"{path.parent.parent.name}-{path.parent.name}{TRANSCRIPT}"
    }


def fits(path: Path) -> bool:
    """Return whether a recording is named by the folders that it is in."""
    return path.stem.startswith(f"{path.parent.parent.name}-{path.parent.name}-")


def recordings(
    corpus: Path, paths: Iterable[Path], transcripts: Mapping[Path, Path], inventory: Inventory
) -> Iterator[Recording]:
    """Yield the recordings among `paths`, and note in `inventory` what is of no chapter or has only a transcript."""
    texts = {folder: _texts(transcript, inventory) for folder, transcript in transcripts.items()}
    paths = list(paths)
    folders = {path.parent for path in paths if fits(path)} | texts.keys()
    known = genders({ancestor for folder in folders for ancestor in folder.parents[1:3]})
    for path in paths:
        speaker = path.parent.parent.name
        name = shown(path.relative_to(corpus))
        if not fits(path):
            inventory.skip(
                name, speaker, "of no LibriSpeech chapter", "expected speaker/chapter/speaker-chapter-number"
            )
            continue
        yield Recording(
            name=name,
            speaker=speaker,
            label=path.stem.removeprefix(f"{speaker}-"),
            path=path,
            text=spoken(texts.get(path.parent, {}).pop(path.stem, None)),
            gender=known.get(speaker),
        )
    for folder, left in texts.items():
        for utt_id in left:
            inventory.skip(shown(utt_id), folder.parent.name, "a transcript without a recording", shown(folder))


def _texts(transcript: Path, inventory: Inventory) -> dict[str, str]:
    try:
        lines = transcript.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        inventory.remarks.append(f"{shown(transcript)}: no text from it ({shown(error)})")
        return {}
    return {utt_id: text for utt_id, _, text in (line.partition(" ") for line in lines) if utt_id}


def genders(folders: Iterable[Path]) -> dict[str, str]:
    """Return the speakers' genders from the tables in any of `folders`: `ID | SEX | ...`, comments after `;`."""
    found: dict[str, str] = {}
    for table in sorted(folder / name for folder in folders for name in SPEAKERS):
        lines = table.read_text(encoding="utf-8-sig", errors="replace").splitlines() if table.is_file() else []
        for cells in (line.split("|") for line in lines if not line.startswith(";")):
            if len(cells) > 1 and cells[1].strip().lower() in ("f", "m"):
                found[cells[0].strip()] = cells[1].strip().lower()
    return found
