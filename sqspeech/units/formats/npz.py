"""NumPy: `units.npz`, `durations.npz` and a .npz for each kind of matrix, an array an utterance in each."""

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError
from sqspeech.units.formats.entry import ALL, Contents, Entry
from sqspeech.units.unit_set import Units

HOLDS = ALL


def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
    """Write the entries, one at a time: what np.savez_compressed writes, which wants all of them at once."""
    names = ["units", *(["durations"] if contents.durations else []), *contents.matrices]
    with ExitStack() as stack:
        archives = {
            name: stack.enter_context(zipfile.ZipFile(folder / f"{name}.npz", "w", zipfile.ZIP_DEFLATED))
            for name in names
        }
        for entry in entries:
            values = {"units": contents.sequence(entry.units), "durations": contents.lengths(entry.units)}
            for name, archive in archives.items():
                with archive.open(f"{entry.utt_id}.npy", "w", force_zip64=True) as member:
                    array = values[name] if name in values else getattr(entry.units, name)
                    np.lib.format.write_array(member, array, allow_pickle=False)


def read(folder: Path, contents: Contents) -> dict[str, Units]:
    """Return what `write` wrote."""
    sequences = _read(folder / "units.npz")
    lengths = _read(folder / "durations.npz") if contents.durations else {}
    matrices = {name: _read(folder / f"{name}.npz") for name in contents.matrices}
    return {
        utt_id: Units(
            codes=contents.steps(sequence, lengths.get(utt_id)),
            **{name: of_all[utt_id] for name, of_all in matrices.items()},
        )
        for utt_id, sequence in sequences.items()
    }


def _read(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: damaged ({error}); extract the units again") from None
