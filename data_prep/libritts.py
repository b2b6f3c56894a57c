"""A LibriTTS tree: <speaker>/<chapter>/<speaker>_<chapter>_<paragraph>_<sentence>.wav, and the text beside it.

The text is that of `.normalized.txt`, else of `.original.txt`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from data_prep.inventory import Inventory
from data_prep.librispeech import genders
from data_prep.recordings import Recording
from data_prep.texts import Texts
from sqspeech.names import shown

TEXTS = (".normalized.txt", ".original.txt")


def fits(path: Path) -> bool:
    """Return whether a recording is named by the folders that it is in."""
    return path.stem.startswith(f"{path.parent.parent.name}_{path.parent.name}_")


def recordings(corpus: Path, paths: Iterable[Path], inventory: Inventory) -> Iterator[Recording]:
    """Yield the recordings among `paths`, and note in `inventory` what is of no chapter."""
    texts, known = Texts(), dict[Path, dict[str, str]]()
    for path in paths:
        name, speaker, subset = shown(path.relative_to(corpus)), path.parent.parent.name, path.parent.parent.parent
        if not fits(path):
            expected = "expected speaker/chapter/speaker_chapter_paragraph_sentence"
            inventory.skip(name, speaker, "of no LibriTTS chapter", expected)
            continue
        if subset not in known:
            known[subset] = genders([subset, subset.parent])
        yield Recording(
            name=name,
            speaker=speaker,
            label=path.stem.removeprefix(f"{speaker}_"),
            path=path,
            text=texts.first(path.with_suffix(suffix) for suffix in TEXTS),
            gender=known[subset].get(speaker),
        )
    texts.remark(inventory)
