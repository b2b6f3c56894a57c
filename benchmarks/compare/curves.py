"""The training log of a run: metrics.jsonl to curves."""

import json
from pathlib import Path

# name -> step -> value
type Curves = dict[str, dict[int, float]]


def read_curves(path: Path) -> Curves:
    """Read a training log, empty where there is none; a line that is not whole yet is left out."""
    curves: Curves = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        step = values.pop("step")
        for name, value in values.items():
            curves.setdefault(name, {})[step] = value
    return curves


def last_step(curves: Curves) -> int:
    """Return the last step that was validated, 0 where there is none."""
    return max(curves.get("dev_mse_db2", {}), default=0)
