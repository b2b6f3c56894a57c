"""Parquet: `units.parquet`, a row an utterance: utt_id, path, units, and what else was asked for, as lists."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import ALL, Contents, Entry


@FORMATS.register("parquet")
class Parquet:
    """A Parquet table."""

    HOLDS: ClassVar[frozenset[str]] = ALL
    FILES: ClassVar[tuple[str, ...]] = ("units.parquet",)

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries; they are in memory together."""
        import polars

        columns: dict[str, list[Any]] = {name: [] for name in _schema(contents, 1)}
        axes = 1
        for entry in entries:
            columns["utt_id"].append(entry.utt_id)
            columns["path"].append(str(entry.path))
            axes = entry.units.codes.ndim
            columns["units"].append(contents.sequence(entry.units).tolist())
            if contents.durations:
                columns["durations"].append(contents.lengths(entry.units).tolist())
            for name in contents.matrices:
                columns[name].append(getattr(entry.units, name).tolist())
        # Through memory, because polars has errors of its own for a full disk.
        buffer = BytesIO()
        polars.DataFrame(columns, schema=_schema(contents, axes)).write_parquet(buffer)
        (folder / "units.parquet").write_bytes(buffer.getbuffer())

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return what `write` wrote."""
        import polars

        path = folder / "units.parquet"
        try:
            rows = list(polars.read_parquet(path).iter_rows(named=True))
            sequences = _column(rows, "units", np.int64)
            lengths = _column(rows, "durations", np.int64) if contents.durations else {}
            matrices = {name: _column(rows, name, np.float32) for name in contents.matrices}
        except (OSError, polars.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: damaged ({error}); extract the units again") from None
        return contents.assemble(folder, sequences, lengths, matrices)


def _schema(contents: Contents, axes: int) -> dict[str, Any]:
    import polars

    integers, rows = polars.List(polars.Int32), polars.List(polars.List(polars.Float32))
    units = integers if axes == 1 else polars.List(integers)
    lists = {"units": units, **({"durations": integers} if contents.durations else {})}
    return {"utt_id": polars.String, "path": polars.String, **lists, **dict.fromkeys(contents.matrices, rows)}


def _column(rows: list[dict[str, Any]], name: str, kind: type) -> dict[str, NDArray[Any]]:
    return {row["utt_id"]: np.array(row[name], kind) for row in rows}
