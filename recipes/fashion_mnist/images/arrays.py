"""Arrays in a .npz file."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError


def read_arrays(path: Path, names: tuple[str, ...], command: str) -> list[NDArray[Any]]:
    """Return the arrays of these names.

    Raises
    ------
    DataError
        The file is missing, damaged, or was not written by `command`, which makes it.
    """
    try:
        with path.open("rb") as file, np.load(file) as content:
            return [content[name] for name in names]
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror or error}); run {command} first") from None
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
        raise DataError(f"{path}: damaged, or not written by {command}; run that again") from None


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays by name; raises SqspeechError where the file cannot be written."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)
