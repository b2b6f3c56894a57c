"""The benchmark of a prior runs, and prints what it says."""

import importlib
from pathlib import Path

from prior_units import CONFIG, write_sets

from sqspeech.training.tasks.base import save_task_config

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_both_sides_are_timed(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    save_task_config(tmp_path / "c.yaml", CONFIG)
    importlib.import_module("prior").main(write_sets(tmp_path), tmp_path / "c.yaml", count=5, turns=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "sample, cache", "sample, no cache", "train, engine", "train, plain loop", "cache", "engine",
    ]  # fmt: skip
