"""The benchmark of conversion: it measures what it says, with a model that converts."""

import importlib
import json
from pathlib import Path

import pytest
import yaml
from corpus import CONFIG, voice
from typer import Typer
from typer.testing import CliRunner

from sqspeech.config import ExperimentConfig
from sqspeech.conversion import Converter
from sqspeech.vocoders.source_filter import SourceFilterConfig

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("conversion")
    monkeypatch.setattr(module, "in_own_process", lambda function, *arguments, **_: function(*arguments))
    return module


def test_the_model_has_the_published_size(benchmark, tmp_path):
    benchmark.write_checkpoint(tmp_path / "a.ckpt")
    trained = Converter.load(tmp_path / "a.ckpt").trained
    assert (trained.config.encoder.width, trained.model.quantizer.codebook_size, len(trained.speakers)) == (
        768,
        512,
        109,
    )


def test_the_command_writes_its_figures(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "synthesised", lambda: iter([voice(120.0, 0, 1.0)] * 9))
    small = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
    monkeypatch.setattr(benchmark, "ExperimentConfig", lambda: small)
    monkeypatch.setattr(benchmark, "SourceFilterConfig", lambda: SourceFilterConfig(width=16, blocks=1))
    app = Typer()
    app.command()(benchmark.main)
    arguments = ["--seconds", "1", "--minutes", "0.1", "--json", str(tmp_path / "f.json")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert 0 < figures["rtf_network"] < figures["rtf_world"]
    assert figures["rtf_griffin_lim"] > figures["rtf_network"]
    # The recording is analysed once for all voices.
    assert figures["rtf_world"] < figures["rtf_world_nine_voices"] < 7 * figures["rtf_world"]
    assert figures["megabytes_0.1_minutes"] >= 0
