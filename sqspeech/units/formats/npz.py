"""NumPy: `units.npz`, `durations.npz` and a .npz for each kind of matrix, an array an utterance in each."""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import MATRICES, Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import ALL, Contents, Entry


@FORMATS.register("npz")
class Npz:
    """NumPy's archives."""

    HOLDS: ClassVar[frozenset[str]] = ALL
    FILES: ClassVar[tuple[str, ...]] = tuple(f"{name}.npz" for name in ("units", "durations", *MATRICES))

    @staticmethod
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

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote."""
        sequences = _read(folder / "units.npz")
        lengths = _read(folder / "durations.npz") if contents.durations else {}
        matrices = {name: _read(folder / f"{name}.npz") for name in contents.matrices}
        return contents.assemble(folder, sequences, lengths, matrices)


def _read(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        # By itself np.load takes `a.npy` for the name of `a`.
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); extract the units again") from None


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array
