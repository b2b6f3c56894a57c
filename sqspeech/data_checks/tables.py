"""Read a Kaldi table whatever is wrong with it, and say what is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqspeech.data_checks.findings import Finding, Mending, error, warning

# A line of these that is left out takes its utterance with it.
ESSENTIAL = ("wav.scp", "utt2spk", "segments", "feats.scp")
SORT = "sort it with LC_ALL=C sort"
CONVERT = "convert it to UTF-8 without a byte order mark, for instance with iconv"


@dataclass(frozen=True, kw_only=True)
class Table:
    """The usable rows of a table, sorted by key; `spoiled` are the other keys that it has.

    A file that is missing is a table without rows, and not `present`.
    """

    name: str
    rows: dict[str, str]
    spoiled: frozenset[str] = frozenset()
    present: bool = True

    @property
    def keys(self) -> frozenset[str]:
        """All keys, also the spoiled ones."""
        return self.spoiled | self.rows.keys()


@dataclass(frozen=True, kw_only=True)
class _Line:
    number: int
    text: str

    @property
    def key(self) -> str:
        return self._fields[0]

    @property
    def value(self) -> str:
        return self._fields[1].strip()

    @property
    def _fields(self) -> list[str]:
        # As sqspeech.data.tables.read_table has it.
        return [*self.text.split(maxsplit=1), "", ""][:2]


def read_leniently(path: Path, fields: int | None = None) -> tuple[Table, list[Finding]]:
    """Return what can be used of a table, and everything that is wrong with it.

    Of lines that are the same the first counts; lines of one key that differ are all left out.

    Parameters
    ----------
    path
        The file.
    fields
        How many fields each value must have; any number, and at least one, when None.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return Table(name=path.name, rows={}, present=False), []
    except OSError as fault:
        return Table(name=path.name, rows={}), [
            error(f"{path.name} cannot be read", path.name, str(fault.strerror or fault), "make it a readable file")
        ]
    findings = list(_check_text(path.name, text))
    lines = _lines(text)
    findings += _check_lines(path.name, lines, fields)
    rows, conflicts = _rows([line for line in lines if not _fault(line, fields)])
    findings += _check_keys(path.name, lines, conflicts)
    spoiled = frozenset(line.key for line in lines if line.key) - rows.keys()
    return Table(name=path.name, rows=dict(sorted(rows.items())), spoiled=spoiled), findings


def _check_text(name: str, text: str) -> Iterator[Finding]:
    if text.startswith("\ufeff"):
        yield error(
            f"{name} with a byte order mark", name, "Kaldi takes it for a part of the first id", CONVERT, Mending.MENDED
        )
    if "\r" in text:
        detail = f"{text.count('\r')} of them, which Kaldi takes for a part of the last field"
        yield error(f"{name} with carriage returns", name, detail, "remove them: sed -i 's/\\r$//'", Mending.MENDED)
    if text and not text.endswith(("\n", "\r")):
        yield warning(f"{name} without a last newline", name, "the last line has no end", "add one", Mending.MENDED)


def _lines(text: str) -> list[_Line]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return [_Line(number=number, text=line) for number, line in enumerate(text.split("\n") if text else [], start=1)]


def _check_lines(name: str, lines: list[_Line], fields: int | None) -> Iterator[Finding]:
    for line in lines:
        where = line.key or f"{name}:{line.number}"
        fault = _fault(line, fields)
        if fault:
            kind, fix = fault
            mending = _mending(name) if line.key else Mending.MENDED
            yield error(f"{name} with {kind}", where, f"line {line.number} is {line.text[:80]!r}", fix, mending)
        elif "\t" in line.text:
            fix = "separate fields by one space"
            yield warning(f"{name} with tabs", where, f"line {line.number}", fix, Mending.MENDED)


def _mending(name: str) -> Mending:
    return Mending.LEFT_OUT if name in ESSENTIAL else Mending.MENDED


def _fault(line: _Line, fields: int | None) -> tuple[str, str] | None:
    """Return what makes a line unusable, and the remedy."""
    if not line.key:
        return "blank lines", "remove them"
    if any("\ud800" <= character <= "\udfff" for character in line.text):
        return "lines that are not UTF-8", CONVERT
    if not line.value:
        return "an id without a value", "add the value or remove the line"
    if fields is not None and len(line.value.split()) != fields:
        return "a wrong number of fields", f"give the line {fields + 1} fields"
    return None


def _rows(lines: list[_Line]) -> tuple[dict[str, str], set[str]]:
    rows: dict[str, str] = {}
    conflicts: set[str] = set()
    for line in lines:
        if rows.setdefault(line.key, line.value) != line.value:
            conflicts.add(line.key)
    return {key: value for key, value in rows.items() if key not in conflicts}, conflicts


def _check_keys(name: str, lines: list[_Line], conflicts: set[str]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    previous = ""
    for line in lines:
        if not line.key:
            continue
        first = seen.setdefault(line.key, line.number)
        detail = f"lines {first} and {line.number}"
        if first != line.number and line.key in conflicts:
            kind, fix = f"{name} with conflicting lines of one id", "keep the line that is right"
            yield error(kind, line.key, detail, fix, _mending(name))
        elif first != line.number:
            yield error(f"{name} with repeated ids", line.key, detail, "keep one line", Mending.MENDED)
        elif line.key < previous:
            yield error(f"{name} not sorted", line.key, f"line {line.number}, behind {previous}", SORT, Mending.MENDED)
        previous = line.key
