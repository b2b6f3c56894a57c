"""Kaldi tables: `key value...` a line, sorted."""

import os
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.errors import DataError
from sqspeech.names import is_utf8, shown


def read_table(path: Path, fields: int | None = None) -> dict[str, str]:
    """Read a Kaldi table, `key value...` a line, sorted in the C locale, keys unique.

    Bytes that are not UTF-8 are kept as in a file's name, so that one name of them does not spoil the others.

    Parameters
    ----------
    path
        The file.
    fields
        How many fields each value must have; any number, and at least one, when None.
    """
    try:
        lines = _lines(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is {path.parent} a Kaldi data directory?") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); make it a readable file") from None
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(lines, start=1):
        try:
            key, value = line.split(maxsplit=1)
        except ValueError:
            key, value = "", ""
        value = value.strip()
        if not value or (fields is not None and len(value.split()) != fields):
            expected = "a value" if fields is None else f"{fields} more field(s)"
            raise DataError(f"{path}:{number}: expected a key and {expected}, found {line!r}; mend or remove the line")
        if key <= previous and os.fsencode(key) <= os.fsencode(previous):
            raise DataError(f"{path}:{number}: {_misplaced(shown(key), key in table)}")
        table[key] = value
        previous = key
    return table


def read_what_can_be(path: Path) -> dict[str, str]:
    """Return the rows of a table that need not be there; a line that cannot be used is no reason to refuse the rest."""
    try:
        lines = _lines(path)
    except OSError:
        return {}
    fields = (line.split(maxsplit=1) for line in lines)
    rows = [(row[0], row[1].strip()) for row in fields if len(row) == 2]
    table = dict(rows)
    doubtful = {key for key, value in rows if table[key] != value} if len(table) < len(rows) else set()
    return {key: value for key, value in table.items() if key not in doubtful and is_utf8(key + value)}


def write_table(path: Path, table: dict[str, str]) -> None:
    """Write a Kaldi table atomically, sorted in the C locale."""
    # Code points order as UTF-8 bytes do, so that sorted() is LC_ALL=C sort.
    write_text(path, "".join(f"{key} {value}\n" for key, value in sorted(table.items())))


def _misplaced(key: str, known: bool) -> str:
    if known:
        return f"key {key} is repeated; keep one of its lines"
    return f"key {key} is out of order; sort the file with LC_ALL=C sort"


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape").removesuffix("\n")
    return text.split("\n") if text else []
