"""Findings by kind, as lines of a report and as a table."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.data.findings import Finding, Severity, Treatment
from sqspeech.names import shown

IDS_SHOWN = 10


def summary(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each kind, errors first, with its count, its first ids, the first detail and the fix."""
    for group in _by_kind(findings):
        first = group[0]
        ids = list(dict.fromkeys(finding.where for finding in group))
        more = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
        first_ids = ", ".join(ids[:IDS_SHOWN])
        yield shown(
            f"{first.severity}: {first.kind} ({len(group)}): {first_ids}{more}; {first.where}: {first.full_detail()}; "
            f"remedy: {first.fix}"
        )


def treatments(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each kind with its treatment in a cleaned copy, what was left out first."""
    groups = _by_kind(finding for finding in findings if finding.severity is not Severity.NOTE)
    for group in sorted(groups, key=lambda group: list(Treatment).index(group[0].treatment)):
        yield f"{group[0].treatment} ({len(group)}): {group[0].kind}"


def write_tsv(path: Path, findings: Iterable[Finding]) -> None:
    """Write every finding, a line each: severity, kind, id, detail, fix; the first line is the header."""
    rows = [("severity", "kind", "id", "detail", "fix")]
    rows += [(f.severity.value, f.kind, f.where, f.full_detail(), f.fix) for group in _by_kind(findings) for f in group]
    write_text(path, "".join("\t".join(shown(cell) for cell in row) + "\n" for row in rows))


def _by_kind(findings: Iterable[Finding]) -> list[Sequence[Finding]]:
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    order = list(Severity)
    return [groups[key] for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1]))]
