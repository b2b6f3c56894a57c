"""Folders whose names are the speakers', and folders without any.

The text of `x.wav` is in `x.txt` beside it or, in a tree like VCTK, in the folder of the speaker below `txt/`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from data_prep.inventory import Inventory
from data_prep.recordings import NOBODY, Recording
from data_prep.texts import Texts
from data_prep.vctk_speakers import read_genders
from sqspeech.data.folder_walk import Listing
from sqspeech.names import shown

# Behind the number of an utterance in VCTK 0.92.
MICROPHONE = re.compile(r"_mic\d$")
# A folder that is a part of a corpus, and no speaker's.
SUBSET = re.compile(r"(train|dev|test|valid|validation|eval)([-_. ].*)?", re.IGNORECASE)
# The speaker in the name of a file.
PREFIX = re.compile(r"([^_-]+)[_-].")


type Fit = Callable[[Path], bool]


def by_folder(listing: Listing, paths: Iterable[Path], inventory: Inventory) -> Iterator[Recording]:
    """Yield recordings whose speaker is the first folder, or the second where the first are all subsets."""
    beside, texts, flat = _texts_beside(listing), Texts(), dict[str, bool]()
    passed = _subsets(listing)
    for path in paths:
        speaker, *rest = path.relative_to(listing.path).parts[bool(passed) :]
        name = shown(path.relative_to(listing.path))
        if not rest:
            remedy = "put it into a folder with its speaker's name, or list path and speaker in a .csv"
            inventory.skip(name, NOBODY, "not in a speaker's folder", remedy)
            continue
        flat[speaker] = flat.get(speaker, False) or len(rest) == 1
        text = texts.first(beside.get(path.with_suffix(""), []))
        yield Recording(name=name, speaker=speaker, label=str(Path(*rest).with_suffix("")), path=path, text=text)
    texts.remark(inventory)
    if passed:
        subsets = ", ".join(map(shown, passed))
        inventory.remarks.append(f"{subsets}: taken for subsets, and the folders in them for speakers")
    if list(flat.values()) == [False]:
        only = shown(*flat)
        inventory.remarks.append(
            f"one speaker, {only}; if the folders in it are the speakers, give {listing.path / only}"
        )


def flat(listing: Listing, paths: Iterable[Path], inventory: Inventory) -> Iterator[Recording]:
    """Yield recordings of speakers who begin the names of their files or, where that is not so, of a single one."""
    beside, texts, paths = _texts_beside(listing), Texts(), list(paths)
    prefixes = Counter(found[1] if (found := PREFIX.match(path.stem)) else "" for path in paths)
    prefixed = len(prefixes) > 1 and "" not in prefixes and min(prefixes.values()) > 1
    if not prefixed:
        remedy = "list path and speaker in a .csv where there are several"
        inventory.remarks.append(f"one speaker, {shown(listing.path.name)}, as the folder is called; {remedy}")
    for path in paths:
        found = PREFIX.match(path.stem) if prefixed else None
        label = str(path.relative_to(listing.path).with_suffix(""))
        yield Recording(
            name=shown(path.relative_to(listing.path)),
            speaker=found[1] if found else listing.path.name,
            label=label[len(found[1]) + 1 :] if found else label,
            path=path,
            text=texts.first(beside.get(path.with_suffix(""), [])),
        )
    texts.remark(inventory)


def fits_vctk(listing: Listing) -> Fit:
    """Return what tells whether a recording is in a tree like VCTK."""
    texts = _texts_below_txt(listing)

    tops = {path.relative_to(listing.path).parts[0] for path in listing.recordings}
    # Elsewhere the first folder may be the speaker's.
    apart = len(tops) == 1 or bool(_subsets(listing)) or all(top.startswith("wav") for top in tops)

    def fits(path: Path) -> bool:
        deep = apart and len(path.relative_to(listing.path).parts) > 2
        return _key(path) in texts or (deep and path.stem.startswith((f"{path.parent.name}_", f"{path.parent.name}-")))

    return fits


def like_vctk(listing: Listing, paths: Iterable[Path], inventory: Inventory) -> Iterator[Recording]:
    """Yield recordings whose speaker is the last folder."""
    below, beside, texts = _texts_below_txt(listing), _texts_beside(listing), Texts()
    genders: dict[str, str] = {}
    for table in (path for path in listing.files if path.name == "speaker-info.txt"):
        genders |= read_genders(table)
    for path in paths:
        speaker, name = path.parent.name, shown(path.relative_to(listing.path))
        if path.parent == listing.path:
            inventory.skip(name, NOBODY, "not in a speaker's folder", "put it into a folder with its speaker's name")
            continue
        yield Recording(
            name=name,
            speaker=speaker,
            label=re.sub(f"^{re.escape(speaker)}[_-](?=.)", "", path.stem),
            path=path,
            text=texts.first([*beside.get(path.with_suffix(""), []), *below.get(_key(path), [])]),
            gender=genders.get(speaker),
        )
    texts.remark(inventory)


def _subsets(listing: Listing) -> list[str]:
    """Return the names of the subsets, where all recordings are in folders of such names and in folders of these."""
    parts = [path.relative_to(listing.path).parts for path in listing.recordings]
    are = all(len(names) > 2 and SUBSET.fullmatch(names[0]) for names in parts)
    return sorted({names[0] for names in parts}) if are else []


def _texts_beside(listing: Listing) -> dict[Path, list[Path]]:
    return {path.with_suffix(""): [path] for path in listing.files if path.suffix.lower() == ".txt"}


def _texts_below_txt(listing: Listing) -> dict[tuple[str, str], list[Path]]:
    texts = (path for path in listing.files if path.suffix.lower() == ".txt" and path.parent.parent.name == "txt")
    return {_key(path): [path] for path in texts}


def _key(path: Path) -> tuple[str, str]:
    return path.parent.name, MICROPHONE.sub("", path.stem)
