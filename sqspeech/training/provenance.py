"""Provenance of an experiment: a line of runs.jsonl for each time it was trained."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

PACKAGES = ("torch", "torchaudio", "numpy", "soundfile", "soxr", "pyworld")


def record_run(exp: Path, *, first_step: int, fingerprints: Mapping[str, str], device: str, processes: int) -> None:
    """Append what this run is to `exp`/runs.jsonl.

    Time (UTC), command line, git commit of the code and whether it was changed, versions, device, number of
    processes, the step it goes on from, and the fingerprints of its data.
    """
    run = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "git": _git_state(Path(__file__).resolve().parent),
        "versions": {"python": python_version(), "sqspeech": version("sqspeech")}
        | {package: version(package) for package in PACKAGES},
        "device": device,
        "processes": processes,
        "first_step": first_step,
        "data": dict(fingerprints),
    }
    exp.mkdir(parents=True, exist_ok=True)
    with (exp / "runs.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and dirtiness of the repository that tracks the code; None for an installed package."""
    try:
        _git(folder, "ls-files", "--error-unmatch", ".")
        return {"commit": _git(folder, "rev-parse", "HEAD"), "changed": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
