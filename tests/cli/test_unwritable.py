"""Outputs that cannot be written, and a disk that is full."""

import os
import shutil
from pathlib import Path

import pytest
from full_disk import space_left


def unwritable(tmp_path: Path) -> Path:
    """A folder that refuses even root, who may write where permissions forbid it."""
    if os.geteuid():
        folder = tmp_path / "read-only"
        folder.mkdir(mode=0o500)
        return folder
    return Path("/proc/self")


def outputs(folder: Path) -> dict[str, list[object]]:
    return {
        "features": ["{root}/corpus/dev", folder / "dump", "--config", "{root}/c.yaml"],
        "train": ["{root}/dump", folder / "exp", "--config", "{root}/c.yaml"],
        "units": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "-o", folder / "u"],
        "export": ["{root}/exp/best.ckpt", "-o", folder / "m.onnx"],
        "convert": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "--to", "f1", "-o", folder / "wav"],
        "evaluate": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "-o", folder / "m.json"],
        "report": ["{root}/exp", "-o", folder / "r.html"],
    }


@pytest.mark.parametrize("command", outputs(Path()))
def test_a_folder_that_cannot_be_written(run, experiment, tmp_path, command):
    arguments = [str(a).format(root=experiment.root) for a in outputs(unwritable(tmp_path))[command]]
    outcome = run(command, *arguments)
    assert outcome.status == 1
    assert "cannot write" in outcome.error


@pytest.mark.parametrize("command", outputs(Path()))
def test_a_full_disk(run, experiment, tmp_path, command):
    shutil.copytree(experiment.root / "exp", tmp_path / "exp") if command == "report" else None
    arguments = [str(a).format(root=experiment.root) for a in outputs(tmp_path / "out")[command]]
    with space_left(1 if command in ("units", "evaluate") else 4000):
        outcome = run(command, *arguments)
    assert outcome.status == 1
    assert "cannot write (File too large); free some space" in outcome.error
    left = [
        p.name
        for p in tmp_path.rglob("*")
        if p.is_file() and p.suffix in {".txt", ".wav", ".json", ".html", ".ckpt", ".onnx"}
    ]
    assert not [
        name for name in left if name not in {p.name for p in (tmp_path / "exp").rglob("*")} and name != "features.json"
    ]
