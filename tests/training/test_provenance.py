import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sqspeech.training import provenance

ABOUT = {"first_step": 3, "fingerprints": {"train": "abc", "dev": "def"}, "device": "cpu", "processes": 2}


def runs(exp: Path) -> list[dict]:
    return [json.loads(line) for line in (exp / "runs.jsonl").read_text().splitlines()]


def test_each_run_adds_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sqspeech", "train", "dump", "exp"])
    provenance.record_run(tmp_path / "exp", **ABOUT)
    provenance.record_run(tmp_path / "exp", **ABOUT | {"first_step": 9})
    one, two = runs(tmp_path / "exp")
    assert (one["first_step"], two["first_step"]) == (3, 9)
    assert one["command"] == ["sqspeech", "train", "dump", "exp"]
    assert one["data"] == {"train": "abc", "dev": "def"}
    assert (one["device"], one["processes"]) == ("cpu", 2)
    assert one["versions"]["torch"] == version("torch")


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository whose tracked module is the one that asks."""
    if not shutil.which("git"):
        pytest.skip("no git here")
    root = tmp_path / "code"
    (root / "package").mkdir(parents=True)
    (root / "package/module.py").write_text("1\n")
    monkeypatch.setattr(provenance, "__file__", str(root / "package/module.py"))
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)
    return root


def test_the_commit_and_changes_of_the_code_are_recorded(repository, tmp_path):
    provenance.record_run(tmp_path / "exp", **ABOUT)
    (repository / "package/module.py").write_text("2\n")
    provenance.record_run(tmp_path / "exp", **ABOUT)
    clean, changed = (run["git"] for run in runs(tmp_path / "exp"))
    head = subprocess.run(["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert clean == {"commit": head.stdout.strip(), "changed": False}
    assert changed == clean | {"changed": True}


def test_an_installed_package_inside_a_repository_is_not_taken_for_it(repository, tmp_path, monkeypatch):
    (repository / "venv").mkdir()
    (repository / "venv/module.py").write_text("1\n")
    monkeypatch.setattr(provenance, "__file__", str(repository / "venv/module.py"))
    provenance.record_run(tmp_path / "exp", **ABOUT)
    assert runs(tmp_path / "exp")[0]["git"] is None
