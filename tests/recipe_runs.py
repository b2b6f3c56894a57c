"""A copy of a recipe with a tiny model, run as a user runs it or, where that is slow, within this process."""

import csv
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from corpus import CONFIG

from sqspeech import cli

RECIPES = Path(__file__).parents[1] / "recipes"
TINY = ("--config", "tiny", "--jobs", "1", "--device", "cpu")


def copy_recipe(name: str, folder: Path) -> Path:
    """Copy a recipe, without what runs of it made, and add conf/tiny.yaml."""
    made = shutil.ignore_patterns("data", "dump", "exp", "downloads")
    shutil.copy(RECIPES / "stages.sh", folder)
    recipe = Path(shutil.copytree(RECIPES / name, folder / name, ignore=made))
    (recipe / "conf/tiny.yaml").write_text(CONFIG)
    return recipe


def bash(recipe: Path, *options: object) -> str:
    """Run the recipe and return its standard output."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [recipe / "run.sh", *map(str, options)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def run_here(recipe: Path, monkeypatch: pytest.MonkeyPatch, *options: object) -> None:
    """Run the commands of stages 2 to 7 here: importing torch for each of them would take most of the time."""
    monkeypatch.chdir(recipe)
    for line in bash(recipe, "--dry-run", *options).splitlines():
        if not line.startswith("#"):
            command, *arguments = shlex.split(line)
            assert command == "sqspeech"
            monkeypatch.setattr(sys, "argv", [command, *arguments])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            assert stop.value.code == 0, line


def utterances(data: Path) -> set[str]:
    """Return the ids of a Kaldi data directory."""
    return {line.split()[0] for line in (data / "utt2spk").read_text().splitlines()}


def check_results(exp: Path, in_units: set[str], converted: set[tuple[str, str]], measured: int) -> None:
    """Assert what stages 4 to 7 leave: `converted` are pairs of an utterance and a target."""
    lines = [line.split() for line in (exp / "units/kaldi/units.txt").read_text().splitlines()]
    assert {utt_id for utt_id, *_ in lines} == in_units
    assert all(units and all(0 <= int(unit) < 8 for unit in units) for _, *units in lines)
    with (exp / "conversion/manifest.tsv").open() as manifest:
        rows = list(csv.DictReader(manifest, delimiter="\t"))
    assert {(row["utt_id"], row["target"]) for row in rows} == converted
    assert len(rows) == len(converted)
    assert all(soundfile.info(exp / "conversion" / row["output"]).frames for row in rows)
    metrics = json.loads((exp / "metrics.json").read_text())
    assert metrics["utterances"] == measured
    assert math.isfinite(metrics["mse_db2"])
    assert "<audio" in (exp / "report.html").read_text()
