"""Kaldi tables: `key value...` a line, sorted in the C locale, keys unique."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.data.findings import Finding, Treatment, error, refuse, warning
from sqspeech.names import is_utf8

# Of these, a line that cannot be used makes its utterance unusable.
ESSENTIAL = ("wav.scp", "utt2spk", "segments", "feats.scp")
CONVERT = "convert it to UTF-8 without a byte order mark, for instance with iconv"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with the lines that can be used, and the faults of the others.

    Attributes
    ----------
    path
        The file.
    rows
        Values by key, sorted by key. Bytes that are not UTF-8 are kept as in a file's name, so that one such name does
        not make the others unusable.
    unusable
        The keys of the other lines.
    findings
        All faults, in the order of the lines.
    present
        False where there is no such file.
    """

    path: Path
    rows: dict[str, str]
    unusable: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)
    present: bool = True
    _is_utf8: bool = True

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def keys(self) -> frozenset[str]:
        """All keys, those of unusable lines too."""
        return self.unusable | self.rows.keys()

    @property
    def utf8_rows(self) -> dict[str, str]:
        """The rows that are UTF-8."""
        return self.rows if self._is_utf8 else {key: value for key, value in self.rows.items() if is_utf8(key + value)}


def scan_table(path: Path, fields: int | None = None, *, optional: bool = False) -> Table:
    """Read what can be used of a table, and find everything that is wrong with it.

    Of equal lines the first counts; lines of one key that differ are all unusable.

    Parameters
    ----------
    path
        The file.
    fields
        Number of fields of each value; any number, and at least one, when None.
    optional
        True where it is no fault that the file is missing.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        fix = f"is {path.parent} a Kaldi data directory?"
        missing = error(f"missing {path.name}", path.name, "no such file", fix, file=path, stops=True)
        return Table(path=path, rows={}, findings=[] if optional else [missing], present=False)
    except OSError as fault:
        detail, fix = f"cannot be read ({fault.strerror or fault})", "make it a readable file"
        unreadable = error(f"{path.name} cannot be read", path.name, detail, fix, file=path, stops=True)
        return Table(path=path, rows={}, findings=[unreadable])
    text, valid = _decoded(content)
    text_findings = list(_check_text(path, text))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lines = text.split("\n") if text else []
    scan = _Scan(path, lines, fields)
    remarks = [] if valid and "\t" not in text else list(_check_characters(path, lines))
    return Table(
        path=path,
        rows=scan.rows,
        unusable=frozenset((scan.malformed | scan.conflicting) - scan.rows.keys()),
        findings=text_findings + sorted([*scan.findings, *remarks], key=lambda finding: finding.line),
        _is_utf8=valid,
    )


def read_table(path: Path, fields: int | None = None) -> dict[str, str]:
    """Return the values of a table by key; see `scan_table` for the parameters.

    Raises
    ------
    DataError
        The file is missing, a line is malformed, a key is repeated, or the lines are not sorted.
    """
    table = scan_table(path, fields)
    refuse(table.findings)
    return table.rows


def write_table(path: Path, table: dict[str, str]) -> None:
    """Write a Kaldi table atomically, sorted in the C locale."""
    # Code points order as UTF-8 bytes do, so that sorted() is LC_ALL=C sort.
    write_text(path, "".join(f"{key} {value}\n" for key, value in sorted(table.items())))


class _Scan:
    """The rows of a table, and the faults of its lines."""

    def __init__(self, path: Path, lines: list[str], fields: int | None) -> None:
        self.path, self.lines, self.fields = path, lines, fields
        self.rows: dict[str, str] = {}
        self.malformed: set[str] = set()
        self.conflicting: set[str] = set()
        self.findings: list[Finding] = []
        self._read()

    def _read(self) -> None:
        rows, previous, is_sorted = self.rows, "", True
        # Once, as there may be very many lines: all fields, or the key and the rest.
        limit, n_parts = (1, 2) if self.fields is None else (-1, self.fields + 1)
        for number, line in enumerate(self.lines, start=1):
            parts = line.split(None, limit)
            if len(parts) != n_parts:
                self._add_malformed(number, line, parts)
                previous = parts[0] if parts else previous
                continue
            key, value = parts[0], parts[1].rstrip() if n_parts == 2 else " ".join(parts[1:])
            if key in rows or (self.findings and (key in self.malformed or key in self.conflicting)):
                self._add_repeated(number, key, value)
            else:
                rows[key] = value
                if key <= previous and os.fsencode(key) <= os.fsencode(previous):
                    is_sorted = False
                    self._add_unsorted(number, key, previous)
            previous = key
        if not is_sorted:
            self.rows = dict(sorted(rows.items()))

    def _add_malformed(self, number: int, line: str, parts: list[str]) -> None:
        name, key = self.path.name, parts[0] if parts else ""
        expected = "a value" if self.fields is None else f"{self.fields} more field(s)"
        kind = "a wrong number of fields" if len(parts) > 1 else "an id without a value" if parts else "blank lines"
        detail = f"expected a key and {expected}, found {line[:80]!r}"
        treatment = _treatment(name) if key else Treatment.CORRECTED
        self._add(number, f"{name} with {kind}", key, detail, "correct or remove the line", treatment)
        if key:
            self.malformed.add(key)

    def _add_repeated(self, number: int, key: str, value: str) -> None:
        name, first = self.path.name, self._first_lines[key]
        if key in self.conflicting or self.rows.get(key, value) != value:
            self.conflicting.add(key)
            self.rows.pop(key, None)
            kind, detail = f"{name} with conflicting lines of one id", f"key {key} is repeated and differs from"
            self._add(number, kind, key, f"{detail} line {first}", "keep the line that is right", _treatment(name))
        else:
            self.rows.setdefault(key, value)
            detail = f"key {key} is repeated, see line {first}"
            self._add(number, f"{name} with repeated ids", key, detail, "keep one of its lines", Treatment.CORRECTED)

    def _add_unsorted(self, number: int, key: str, previous: str) -> None:
        detail, fix = f"key {key} is out of order, after {previous}", "sort the file with LC_ALL=C sort"
        self._add(number, f"{self.path.name} not sorted", key, detail, fix, Treatment.CORRECTED)

    def _add(self, number: int, kind: str, key: str, detail: str, fix: str, treatment: Treatment) -> None:
        where = key or f"{self.path.name}:{number}"
        self.findings.append(error(kind, where, detail, fix, treatment, file=self.path, line=number, stops=True))

    @cached_property
    def _first_lines(self) -> dict[str, int]:
        keys = ((number, line.split(None, 1)) for number, line in enumerate(self.lines, start=1))
        first: dict[str, int] = {}
        for number, parts in keys:
            if parts:
                first.setdefault(parts[0], number)
        return first


def _decoded(content: bytes) -> tuple[str, bool]:
    """Return the text, and True where it is UTF-8."""
    try:
        return content.decode(), True
    except UnicodeDecodeError:
        return content.decode(errors="surrogateescape"), False


def _check_text(path: Path, text: str) -> Iterator[Finding]:
    name = path.name
    if text.startswith("\ufeff"):
        detail = "Kaldi takes it for a part of the first id"
        yield error(f"{name} with a byte order mark", name, detail, CONVERT, Treatment.CORRECTED)
    if "\r" in text:
        detail = f"{text.count('\r')} of them, which Kaldi takes for a part of the last field"
        yield error(
            f"{name} with carriage returns", name, detail, "remove them: sed -i 's/\\r$//'", Treatment.CORRECTED
        )
    if text and not text.endswith(("\n", "\r")):
        yield warning(
            f"{name} without a last newline", name, "the last line has no end", "add one", Treatment.CORRECTED
        )


def _check_characters(path: Path, lines: list[str]) -> Iterator[Finding]:
    for number, line in enumerate(lines, start=1):
        where = line.split(None, 1)[0] if line.strip() else f"{path.name}:{number}"
        if not is_utf8(line):
            kind, detail = f"{path.name} with lines that are not UTF-8", f"found {line[:80]!r}"
            yield error(kind, where, detail, CONVERT, _treatment(path.name), file=path, line=number)
        elif "\t" in line:
            kind, fix = f"{path.name} with tabs", "separate fields by one space"
            yield warning(kind, where, "tabs between fields", fix, Treatment.CORRECTED, line=number)


def _treatment(name: str) -> Treatment:
    return Treatment.LEFT_OUT if name in ESSENTIAL else Treatment.CORRECTED
