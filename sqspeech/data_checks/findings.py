"""Findings about a data directory or a dump, by kind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.names import shown

IDS_SHOWN = 10


class Severity(StrEnum):
    """Errors make something unusable, warnings make it worse, notes are for information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Mending(StrEnum):
    """Treatment of a finding in a cleaned copy."""

    LEFT_OUT = "left out"
    MENDED = "mended"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind
        What is wrong, the same words for the same fault.
    where
        The id of the utterance, recording or speaker; the file where no id can be told.
    detail
        The fault in figures or words.
    fix
        What its owner can do.
    mending
        What a cleaned copy does.
    """

    severity: Severity
    kind: str
    where: str
    detail: str
    fix: str
    mending: Mending


def error(kind: str, where: str, detail: str, fix: str, mending: Mending = Mending.LEFT_OUT) -> Finding:
    """Return a finding that makes something unusable."""
    return Finding(severity=Severity.ERROR, kind=kind, where=where, detail=detail, fix=fix, mending=mending)


def warning(kind: str, where: str, detail: str, fix: str, mending: Mending = Mending.KEPT) -> Finding:
    """Return a finding that can be lived with."""
    return Finding(severity=Severity.WARNING, kind=kind, where=where, detail=detail, fix=fix, mending=mending)


def note(kind: str, where: str, detail: str, fix: str) -> Finding:
    """Return a finding that is no fault."""
    return Finding(severity=Severity.NOTE, kind=kind, where=where, detail=detail, fix=fix, mending=Mending.KEPT)


def summary(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each kind, errors first, with its count, its first ids, the first detail and the fix."""
    for group in _by_kind(findings):
        first = group[0]
        ids = list(dict.fromkeys(finding.where for finding in group))
        more = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
        first_ids = ", ".join(ids[:IDS_SHOWN])
        yield shown(
            f"{first.severity}: {first.kind} ({len(group)}): {first_ids}{more}; {first.where}: {first.detail}; "
            f"to mend: {first.fix}"
        )


def mended(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each kind with what a cleaned copy did about it, what was left out first."""
    groups = _by_kind(finding for finding in findings if finding.severity is not Severity.NOTE)
    for group in sorted(groups, key=lambda group: list(Mending).index(group[0].mending)):
        yield f"{group[0].mending} ({len(group)}): {group[0].kind}"


def write_tsv(path: Path, findings: Iterable[Finding]) -> None:
    """Write every finding, a line each: severity, kind, id, detail, fix; the first line is the header."""
    rows = [("severity", "kind", "id", "detail", "fix")]
    rows += [(f.severity.value, f.kind, f.where, f.detail, f.fix) for group in _by_kind(findings) for f in group]
    write_text(path, "".join("\t".join(shown(cell) for cell in row) + "\n" for row in rows))


def _by_kind(findings: Iterable[Finding]) -> list[Sequence[Finding]]:
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    order = list(Severity)
    return [groups[key] for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1]))]
