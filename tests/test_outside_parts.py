"""Parts that are registered from outside go through the commands with no other line changed.

An encoder is added in codec/test_geometries.py, a task in training/test_tasks.py, metrics in evaluation/.
"""

import json
import os
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import yaml
from corpus import CONFIG, voice, write_corpus
from typer.testing import CliRunner

from sqspeech import cli, registry
from sqspeech.codec import Codec
from sqspeech.quantizers.base import QUANTIZERS
from sqspeech.units import FORMATS, read
from sqspeech.vocoders import VOCODERS

PARTS = ((QUANTIZERS, "corners"), (VOCODERS, "hum"), (FORMATS, "colons"))


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    """Import the module, as the entry point of an installed package does."""
    EntryPoint(name="parts", value="outside_parts", group=registry.ENTRY_POINTS).load()
    yield
    for known, name in PARTS:
        known._classes.pop(name)
        known._configs.pop(name, None)


def run(*arguments: object) -> str:
    outcome = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the outside quantiser, trained by the commands."""
    root = tmp_path_factory.mktemp("parts")
    document = yaml.safe_load(CONFIG) | {"quantizer": {"name": "corners"}}
    document["training"]["objective"] = "mse"
    (root / "c.yaml").write_text(yaml.safe_dump(document))
    for name, sentences in (("train", range(2)), ("dev", range(2, 3))):
        run("features", write_corpus(root / name, sentences), root / "dump" / name, "--config", root / "c.yaml")
    run("train", root / "dump", root / "exp", "--config", root / "c.yaml")
    return root


def test_it_is_trained_and_reported(root):
    run("evaluate", root / "exp/best.ckpt", root / "dev", "-o", root / "exp/metrics.json")
    metrics = json.loads((root / "exp/metrics.json").read_text())
    assert metrics["codebook_size"] == 8
    assert 0 < metrics["perplexity"] <= 8
    run("report", root / "exp", "-o", root / "report.html")
    assert "corners" in (root / "report.html").read_text()


def test_its_units_are_written_read_and_spoken_by_the_vocoder(root):
    soundfile.write(root / "a.wav", voice(150.0, 0), 16000)
    checkpoint = root / "exp/best.ckpt"
    run("units", checkpoint, root / "a.wav", "-o", root / "units", "--format", "colons")
    found = read(root / "units")
    np.testing.assert_array_equal(found["a"].codes, Codec.load(checkpoint).encode(root / "a.wav").codes)
    run("decode", checkpoint, root / "units", "--to", "f1", "-o", root / "decoded", "--vocoder", "hum")
    run("convert", checkpoint, root / "a.wav", "--to", "f1", "-o", root / "converted", "--vocoder", "hum")
    (decoded, _), (converted, _) = (soundfile.read(root / name / "a-to-f1.wav") for name in ("decoded", "converted"))
    np.testing.assert_array_equal(decoded, converted)
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(len(decoded))))
    assert np.argmax(spectrum) * 16000 / len(decoded) == pytest.approx(100, abs=2)


def test_its_graph_gives_its_codes(root):
    run("export", root / "exp/best.ckpt", "-o", root / "m.onnx")
    samples = voice(150.0, 0)
    (codes,) = onnxruntime.InferenceSession(os.fspath(root / "m.onnx")).run(["codes"], {"samples": samples})
    np.testing.assert_array_equal(codes, Codec.load(root / "exp/best.ckpt").encode(samples).codes)


def test_the_module_of_an_entry_point_is_all_that_is_needed():
    assert {known[name].__module__ for known, name in PARTS} == {import_module("outside_parts").__name__}
