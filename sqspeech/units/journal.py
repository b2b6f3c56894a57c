"""Journal of what has been extracted so far: survives any stop, and is put together from several hosts."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqspeech.atomic import atomic_path
from sqspeech.codec.units import MATRICES, Units

FILES = "[0-9]*.npz"
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """The units of an utterance.

    Attributes
    ----------
    units
        Themselves.
    n_samples
        Of how many samples of the recording.
    version
        Of the recording's file, when it was read: see `Utterance.version`.
    note
        What was done to make it usable.
    """

    units: Units
    n_samples: int
    version: str
    note: str = ""


@dataclass(frozen=True)
class Place:
    """Place of an utterance: the file and the number within it; and the version of its recording."""

    path: Path
    number: int
    version: str


def append(folder: Path, results: Mapping[str, Extracted]) -> dict[str, Place]:
    """Write the results to a file of their own in the folder, and return where they stand."""
    number = 1 + max((int(path.stem) for path in folder.glob(FILES)), default=-1)
    path = folder / f"{number:07}.npz"
    arrays: dict[str, np.ndarray] = {
        "utt_ids": np.array(list(results)),
        "n_samples": np.array([result.n_samples for result in results.values()]),
        "versions": np.array([result.version for result in results.values()]),
        "notes": np.array([result.note for result in results.values()]),
    }
    for number, result in enumerate(results.values()):
        arrays[f"codes-{number}"] = result.units.codes
        present = {name: getattr(result.units, name) for name in MATRICES}
        arrays |= {f"{name}-{number}": matrix for name, matrix in present.items() if matrix is not None}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return {utt_id: Place(path, number, result.version) for number, (utt_id, result) in enumerate(results.items())}


def contents(folder: Path) -> dict[str, Place]:
    """Return where the utterances of all files at any depth below the folder stand; a damaged file is passed over."""
    found: dict[str, Place] = {}
    for path in sorted(folder.rglob(FILES)):
        with suppress(*DAMAGED), path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            rows = enumerate(zip(stored["utt_ids"].tolist(), stored["versions"].tolist(), strict=True))
            found |= {utt_id: Place(path, number, version) for number, (utt_id, version) in rows}
    return found


def read(places: Sequence[Place]) -> Iterator[Extracted]:
    """Yield what stands at the places; neighbours in a file cost one opening of it."""
    opened: Path | None = None
    for place in places:
        if place.path != opened:
            stored, opened = np.load(place.path, allow_pickle=False), place.path
            n_samples, notes = stored["n_samples"], stored["notes"]
        matrices = {name: stored[key] for name in MATRICES if (key := f"{name}-{place.number}") in stored}
        units = Units(codes=stored[f"codes-{place.number}"], **matrices)
        length, note = int(n_samples[place.number]), str(notes[place.number])
        yield Extracted(units=units, n_samples=length, version=place.version, note=note)
