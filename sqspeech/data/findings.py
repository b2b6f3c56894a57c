"""Findings: faults of a data directory or a dump, each with its place and its remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqspeech.errors import DataError
from sqspeech.names import shown


class Severity(StrEnum):
    """Errors make something unusable, warnings make it worse, notes are for information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Treatment(StrEnum):
    """Treatment of a finding in a cleaned copy."""

    LEFT_OUT = "left out"
    CORRECTED = "corrected"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Attributes
    ----------
    severity
        How much it matters.
    kind
        The same words for the same fault.
    where
        The id of the utterance, recording or speaker; the file where there is no id.
    detail
        The fault in figures or words, a sentence without its subject (`where`) unless it is about a line.
    fix
        The remedy.
    treatment
        Treatment in a cleaned copy.
    file, line
        The table and the number of its line, counted from 1; None and 0 where the fault is in none.
    stops
        True where a strict reader refuses the whole for it; see `refuse`.
    """

    severity: Severity
    kind: str
    where: str
    detail: str
    fix: str
    treatment: Treatment
    file: Path | None = None
    line: int = 0
    stops: bool = False

    def full_detail(self) -> str:
        """Return the detail with the number of its line."""
        return f"line {self.line}: {self.detail}" if self.line else self.detail

    def message(self) -> str:
        """Return the fault as the line of an error: place, fault, remedy."""
        if self.line:
            fault = f"{self.file}:{self.line}: {self.detail}"
        elif self.file and self.file.name == self.where:
            fault = f"{self.file}: {self.detail}"
        else:
            fault = f"{f'{self.file}: ' if self.file else ''}{self.where} {self.detail}"
        return shown(f"{fault}; {self.fix}")


def error(
    kind: str,
    where: str,
    detail: str,
    fix: str,
    treatment: Treatment = Treatment.LEFT_OUT,
    *,
    file: Path | None = None,
    line: int = 0,
    stops: bool = False,
) -> Finding:
    """Return a finding that makes something unusable."""
    return Finding(
        severity=Severity.ERROR,
        kind=kind,
        where=where,
        detail=detail,
        fix=fix,
        treatment=treatment,
        file=file,
        line=line,
        stops=stops,
    )


def warning(
    kind: str, where: str, detail: str, fix: str, treatment: Treatment = Treatment.KEPT, *, line: int = 0
) -> Finding:
    """Return a finding that leaves everything usable."""
    return Finding(
        severity=Severity.WARNING, kind=kind, where=where, detail=detail, fix=fix, treatment=treatment, line=line
    )


def note(kind: str, where: str, detail: str, fix: str) -> Finding:
    """Return a finding that is no fault."""
    return Finding(severity=Severity.NOTE, kind=kind, where=where, detail=detail, fix=fix, treatment=Treatment.KEPT)


def refuse(findings: Iterable[Finding]) -> None:
    """Raise the first finding that stops a strict reader as a DataError, with the number of those of its kind."""
    stopping = [finding for finding in findings if finding.stops]
    if stopping:
        first = stopping[0]
        count = sum(finding.kind == first.kind for finding in stopping)
        raise DataError(first.message() + (f" ({count} such lines or ids)" if count > 1 else ""))
