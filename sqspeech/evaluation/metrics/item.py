"""ZeroSpeech item files: phones with their times, contexts and speakers."""

from dataclasses import dataclass
from pathlib import Path

from sqspeech.errors import DataError

CONTEXT = ("prev-phone", "next-phone")
LABELS = ("#phone", *CONTEXT, "speaker")
HEADER = ("#file", "onset", "offset", *LABELS)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A phone from `onset` to `offset` seconds in `file`; `labels` follow `LABELS`."""

    file: str
    onset: float
    offset: float
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ItemFile:
    """The phones of an item file, in the order of its lines, and its path for messages."""

    path: Path
    phones: tuple[Item, ...]

    @classmethod
    def read(cls, path: Path) -> "ItemFile":
        """Read an item file: a header, then `file onset offset phone prev-phone next-phone speaker` a line.

        Raises
        ------
        DataError
            The file is missing or has no phone, or a line is malformed; the line is named.
        """
        try:
            header, *lines = path.read_text(encoding="utf-8-sig").splitlines() or [""]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot read the item file ({error}); check the path") from None
        if tuple(header.split()) != HEADER:
            raise DataError(f"{path}:1: expected the header {' '.join(HEADER)!r}, found {header!r}")
        if not lines:
            raise DataError(f"{path}: no phone after the header; make the item file again")
        return cls(path=path, phones=tuple(_parse(path, number, line) for number, line in enumerate(lines, start=2)))


def _parse(path: Path, number: int, line: str) -> Item:
    try:
        file, onset, offset, *labels = line.split()
        item = Item(file=file, onset=float(onset), offset=float(offset), labels=tuple(labels))
    except ValueError:
        raise DataError(f"{path}:{number}: expected {' '.join(HEADER)}, found {line!r}") from None
    if len(labels) != len(LABELS) or not 0 <= item.onset < item.offset:
        raise DataError(f"{path}:{number}: expected {' '.join(HEADER)} with onset < offset, found {line!r}")
    return item
