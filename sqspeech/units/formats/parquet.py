"""Parquet: `units.parquet`, a row an utterance: utt_id, path, units, and what else was asked for, as lists."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sqspeech.errors import DataError
from sqspeech.units.formats.entry import ALL, Contents, Entry
from sqspeech.units.unit_set import Units

HOLDS = ALL


def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
    """Write the entries; they are in memory together."""
    import polars

    columns: dict[str, list[Any]] = {name: [] for name in _schema(contents)}
    for entry in entries:
        columns["utt_id"].append(entry.utt_id)
        columns["path"].append(str(entry.path))
        columns["units"].append(contents.sequence(entry.units).tolist())
        if contents.durations:
            columns["durations"].append(contents.lengths(entry.units).tolist())
        for name in contents.matrices:
            columns[name].append(getattr(entry.units, name).tolist())
    polars.DataFrame(columns, schema=_schema(contents)).write_parquet(folder / "units.parquet")


def _schema(contents: Contents) -> dict[str, Any]:
    import polars

    integers, rows = polars.List(polars.Int32), polars.List(polars.List(polars.Float32))
    lists = {"units": integers, **({"durations": integers} if contents.durations else {})}
    return {"utt_id": polars.String, "path": polars.String, **lists, **dict.fromkeys(contents.matrices, rows)}


def read(folder: Path, contents: Contents) -> dict[str, Units]:
    """Return what `write` wrote."""
    import polars

    path = folder / "units.parquet"
    try:
        rows = polars.read_parquet(path).iter_rows(named=True)
        return {row["utt_id"]: _units(row, contents) for row in rows}
    except (OSError, polars.exceptions.PolarsError, KeyError) as error:
        raise DataError(f"{path}: damaged ({error}); extract the units again") from None


def _units(row: dict[str, Any], contents: Contents) -> Units:
    lengths = np.array(row["durations"], np.int64) if contents.durations else None
    codes = contents.steps(np.array(row["units"], np.int64), lengths)
    return Units(codes=codes, **{name: np.array(row[name], np.float32) for name in contents.matrices})
