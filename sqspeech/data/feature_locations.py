"""Places of the features of a dump, by its feats.scp."""

from collections.abc import Collection, Iterator
from pathlib import Path

from sqspeech.data.findings import Finding, error
from sqspeech.data.tables import Table, scan_table

AGAIN = "run `sqspeech features` again into another folder"
# An ark, and the byte at which a matrix begins in it.
type Location = tuple[Path, int]


def scan_locations(dump: Path, utt_ids: Collection[str]) -> tuple[dict[str, Location], list[Finding]]:
    """Return the place of the features of each utterance, and what is wrong with feats.scp.

    Parameters
    ----------
    dump
        The folder. The arks are in it, whatever folder feats.scp names: that is where they were when it was written.
    utt_ids
        The utterances of utt2spk.
    """
    table = scan_table(dump / "feats.scp", 1, optional=True)
    if not table.present:
        missing = error("missing feats.scp", "feats.scp", "no such file", AGAIN, file=table.path, stops=True)
        return {}, [missing]
    arks: dict[str, Path] = {}
    locations: dict[str, Location] = {}
    findings = [*table.findings, *_check_ids(table, frozenset(utt_ids))]
    for utt_id, place in table.rows.items():
        ark, _, offset = place.rpartition(":")
        if not (ark and offset.isdecimal()):
            detail = f"is at {place[:80]}, not at ARK:OFFSET"
            findings.append(error("features that cannot be read", utt_id, detail, AGAIN, file=table.path, stops=True))
            continue
        if ark not in arks:
            arks[ark] = dump / Path(ark).name
        locations[utt_id] = arks[ark], int(offset)
    return locations, findings


def _check_ids(table: Table, utt_ids: frozenset[str]) -> Iterator[Finding]:
    for utt_id in sorted(table.rows.keys() - utt_ids):
        fix = "remove it from feats.scp, or add it to utt2spk"
        yield error("ids of feats.scp that utt2spk lacks", utt_id, "is in feats.scp but not in utt2spk", fix)
    for utt_id in sorted(utt_ids - table.keys):
        detail, fix = "is in utt2spk but not in feats.scp", "remove it from utt2spk, or run `sqspeech features` again"
        yield error("ids of utt2spk that feats.scp lacks", utt_id, detail, fix, file=table.path.parent, stops=True)
