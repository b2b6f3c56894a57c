"""Matrices of the utterances of a data directory, in Kaldi arks."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_ark import HEAD, open_ark, read_matrix, read_shape
from sqspeech.data.feature_locations import Location
from sqspeech.errors import DataError


@dataclass(frozen=True, kw_only=True)
class MatrixStore:
    """A matrix of each utterance: a row for each frame, of `width` columns.

    Attributes
    ----------
    path
        The dump's folder.
    data
        The utterances that have one.
    width
        The number of columns.
    """

    path: Path
    data: DataDir
    width: int
    _locations: dict[str, Location]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, utt_id: str) -> NDArray[np.float32]:
        """Return the matrix of an utterance, shape (T, width)."""
        return read_matrix(*self._locations[utt_id])

    def place(self, utt_id: str) -> tuple[Path, int]:
        """Return the ark that holds an utterance, and the byte at which its values begin."""
        ark, offset = self._locations[utt_id]
        return ark, offset + HEAD

    def lengths(self) -> list[int]:
        """Return the number of frames of each utterance, in order, without reading them.

        Raises
        ------
        DataError
            An ark has no whole matrix of `width` columns at its place.
        """
        lengths, arks = [], dict[Path, BinaryIO]()
        with ExitStack() as stack:
            for utterance in self.data:
                path, offset = self._locations[utterance.utt_id]
                if path not in arks:
                    arks[path] = stack.enter_context(open_ark(path))
                frames, columns = read_shape(arks[path], offset)
                if columns != self.width:
                    raise DataError(f"{path}: {utterance.utt_id} has {self.fault(columns)}")
                lengths.append(frames)
        return lengths

    def fault(self, columns: int) -> str:
        """Return what is wrong with a matrix of so many columns, and the remedy."""
        return f"{columns} columns where {self.width} are expected; make them again"
