"""The benchmark of units: it measures what it says, with a model that has units."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from corpus import voice
from typer import Typer
from typer.testing import CliRunner

from sqspeech.units import UnitExtractor

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("units")
    monkeypatch.setattr(module, "in_own_process", lambda function, *arguments, **_: function(*arguments))
    return module


def test_the_model_has_the_published_size_and_uses_its_codes(benchmark, tmp_path):
    benchmark.write_checkpoint(tmp_path / "a.ckpt")
    extractor = UnitExtractor.load(tmp_path / "a.ckpt")
    assert (extractor.trained.config.encoder.width, extractor.info.codebook_size) == (768, 512)
    assert len(np.unique(extractor.extract(voice(120.0, 0, 4.0), 16000).codes)) > 3


def test_the_command_writes_its_figures(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "synthesised", lambda: iter([voice(120.0, 0, 1.5)] * 9))
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    app = Typer()
    app.command()(benchmark.main)
    arguments = ["--minutes", "0.05", "--hours", "0.01", "--json", str(tmp_path / "f.json")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert 0 < figures["floor_fraction"] == pytest.approx(figures["xrt_batched"] / figures["xrt_floor"])
    assert figures["xrt_single"] > 0
    assert figures["megabytes_0.01_hours"] >= 0
