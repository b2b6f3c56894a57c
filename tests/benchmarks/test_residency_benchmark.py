"""The benchmark of memory: its dump is one that trains, and what is held is counted."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from corpus import CONFIG
from typer.testing import CliRunner

from sqspeech.config import ExperimentConfig
from sqspeech.data.feature_store import FeatureStore

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("residency")


def test_the_dump_has_the_size_that_was_asked_for_and_is_written_once(benchmark, tmp_path):
    benchmark.write_dump(tmp_path, 150, 0.1)
    store = FeatureStore.open(tmp_path)
    assert (len(store), len(store.data.speakers), sum(store.lengths())) == (150, 109, 36_000)
    mel = store.read(store.data.utterances[7].utt_id)
    assert mel.dtype == np.float32
    assert 0 <= mel.min() < mel.max() <= 1
    ark = (tmp_path / "feats.ark").stat().st_mtime_ns
    benchmark.write_dump(tmp_path, 150, 0.1)
    assert (tmp_path / "feats.ark").stat().st_mtime_ns == ark


@pytest.mark.parametrize("place", ["device", "disk"])
def test_the_dump_trains(benchmark, tmp_path, monkeypatch, place):
    small = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
    monkeypatch.setattr(benchmark, "ExperimentConfig", lambda: small)
    benchmark.write_dump(tmp_path, 150, 0.1)
    training = benchmark.train(tmp_path, tmp_path, place, "cpu", 1)
    assert (training.announced > 1e7) is (place == "device")
    assert training.held > 0


def test_what_a_process_holds_is_seen_while_it_holds_it(benchmark):
    held = [benchmark.own_bytes()]
    with benchmark.watching(held):
        block = np.ones(50_000_000)
        for _ in range(20):
            block += 1
    assert 0.95 * block.nbytes < max(held) - held[0] < 1.5 * block.nbytes


def test_the_command_writes_its_figures(benchmark, tmp_path, monkeypatch):
    trainings = iter([(4e5, 1e9, 2.0), (5e9, 6e9, 1.0), (5e9, 6.5e9, 2.0), (0.0, 1e9, 4.0)])
    asked = []

    def stand_in(function, dump, dev, residency, device, steps):
        asked.append((dump.name, dev.name, residency))
        announced, held, speed = next(trainings)
        return benchmark.Training(announced=announced, held=held, held_on_gpu=0.0, steps_per_second=speed)

    monkeypatch.setattr(benchmark, "in_own_process", stand_in)
    app = importlib.import_module("typer").Typer()
    app.command()(benchmark.main)
    arguments = ["--utterances", "120", "--hours", "0.05", "--json", str(tmp_path / "f.json")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert asked == [("small", "small", "device"), *[("train", "small", place) for place in ("device", "host", "disk")]]
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["announced_gb_host"] == 5
    assert figures["held_gb_host"] == 5.5
    assert figures["held_gb_disk"] == 0
    assert figures["speed_ratio_device"] == 0.5
