"""Units as the page shows them, and as a table for other programs: the same numbers."""

import json
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.codec import UnitInfo, Units


def write_units(folder: Path, units: Units, info: UnitInfo) -> dict[str, object]:
    """Write units.csv, a line a unit with its time, and units.json, the runs to draw; return what they are of."""
    begin = info.offset
    stages = range(units.codes.shape[1]) if units.codes.ndim == 2 else None
    names = ["code"] if stages is None else [f"code_{stage + 1}" for stage in stages]
    lines = [",".join(["unit", "start", "end", *names])]
    for number, step in enumerate(units.codes.reshape(len(units), -1).tolist()):
        start, end = (begin + place / info.frame_rate for place in (number, number + 1))
        lines.append(",".join([str(number), f"{start:.4f}", f"{end:.4f}", *map(str, step)]))
    write_text(folder / "units.csv", "\n".join(lines) + "\n")
    codes, lengths = units.runs()
    runs = {"codes": codes.reshape(len(codes), -1).tolist(), "lengths": lengths.tolist()}
    write_text(folder / "units.json", json.dumps(runs, separators=(",", ":")))
    return {"rate": info.frame_rate, "offset": begin, "size": info.codebook_size, "count": len(units)}
