"""The script for the day there is a GPU: it says what is missing, and loses nothing of what it measured."""

import importlib
import json
from pathlib import Path

import pytest
from typer import Typer
from typer.main import get_command

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def on_gpu(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("on_gpu")
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a card")
    return module


def test_what_is_missing_is_said_in_one_go(on_gpu, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert on_gpu.main(tmp_path / "f") == 1
    assert "a GPU that torch can use" in capsys.readouterr().err
    monkeypatch.setattr(on_gpu, "NEEDED", ("torch", "no_such_module"))
    assert on_gpu.main(tmp_path / "f") == 1
    assert "no_such_module: install requirements.lock" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()


def test_every_part_is_a_benchmark_with_these_options(on_gpu):
    for part in on_gpu.PARTS:
        app = Typer()
        app.command()(importlib.import_module(part.name).main)
        known = {option for parameter in get_command(app).params for option in parameter.opts}
        assert {option for option in (*part.arguments, "--json") if option.startswith("--")} <= known


def test_a_part_that_fails_or_lasts_too_long_does_not_end_the_others(on_gpu, monkeypatch, tmp_path, capsys):
    for name, body in {
        "good": 'open(sys.argv[-1], \'w\').write(\'{"ratio": 2.5, "deep": {"a": 1}, "machine": {"threads": 2}}\')',
        "bad": "print('no memory'); sys.exit(3)",
        "slow": "import time; time.sleep(60)",
    }.items():
        (tmp_path / f"{name}.py").write_text(f"import sys\n{body}\n")
    monkeypatch.setattr(on_gpu, "HERE", tmp_path)
    parts = [on_gpu.Part("bad", (), 50), on_gpu.Part("slow", (), 1), on_gpu.Part("good", (), 50)]
    monkeypatch.setattr(on_gpu, "PARTS", parts)
    monkeypatch.setattr(on_gpu, "LEAST", 0)
    monkeypatch.setattr(on_gpu, "missing", lambda recordings: [])
    folder = tmp_path / "figures"
    assert on_gpu.main(folder) == 1
    found = json.loads((folder / "figures.json").read_text())
    assert found["gpu"] == "a card"
    assert found["parts"]["bad"]["how"] == f"failed with status 3, see {folder / 'bad.log'}"
    assert (folder / "bad.log").read_text() == "no memory\n"
    assert "ended after 1 s" in found["parts"]["slow"]["how"]
    assert found["parts"]["good"]["how"] == "passed"
    assert found["parts"]["good"]["figures"] == {"ratio": 2.5, "deep.a": 1}
    assert "2.5" in capsys.readouterr().out


def test_what_the_budget_has_no_time_for_is_left_out(on_gpu, monkeypatch, tmp_path):
    assert on_gpu.run("late", ["false"], tmp_path, 3.0) == f"left out: {on_gpu.BUDGET} s are over"


def test_recordings_are_given_to_those_that_measure_with_speech(on_gpu, monkeypatch, tmp_path):
    (tmp_path / "echo.py").write_text("import sys\nopen(sys.argv[-1], 'w').write(str(len(sys.argv)))")
    monkeypatch.setattr(on_gpu, "HERE", tmp_path)
    monkeypatch.setattr(on_gpu, "PARTS", [on_gpu.Part("echo", (), 50), on_gpu.Part("echo", (), 50, speech=False)])
    monkeypatch.setattr(on_gpu, "LEAST", 0)
    counts = []
    monkeypatch.setattr(on_gpu, "figures_of", lambda path: counts.append(path.exists() and path.read_text()))
    on_gpu.measure(tmp_path, ["a.wav", "b.wav"])
    assert counts[1:] == ["5", "3"]
