"""Recordings shared by processes: the same files as from one, whatever dies, and nothing left behind."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
import soundfile
import torch
from corpus import voice

from sqspeech import cli
from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import ConversionRequest, Converter, convert_all, plan
from sqspeech.corpus import Processes
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import SqspeechError
from sqspeech.vocoders.griffin_lim import GriffinLim


class Deadly(GriffinLim):
    """Dies of a recording of a second."""

    def __call__(self, mel: torch.Tensor, excitation: None = None) -> torch.Tensor:
        if len(mel) == 101:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(mel, excitation)


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@pytest.fixture
def jobs(tmp_path) -> list[ConversionRequest]:
    """Of recordings between which there is one that is too short and one that is torn."""
    (tmp_path / "in").mkdir()
    for number in range(6):
        samples = voice(120.0 + 20 * number, number, 0.5 + 0.1 * number)
        soundfile.write(tmp_path / f"in/{number}.wav", samples[:900] if number == 2 else samples, 16000)
    (tmp_path / "in/3.wav").write_bytes((tmp_path / "in/4.wav").read_bytes()[:3000])
    return plan(read_inputs([tmp_path / "in"]), ["m1", "f1:1,m1:1"], None, [])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")}


def test_processes_change_no_byte(trained, jobs, tmp_path, capsys):
    converter, said = Converter(trained), []
    for count in (1, 2, 3):
        output = tmp_path / f"out{count}"
        done, failures = convert_all(converter, jobs, output, workers=Processes(count))
        said.append([line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped")])
        assert (done, list(failures.reasons)) == (8, ["2", "3"])
    assert len(files(tmp_path / "out1")) == 10
    assert files(tmp_path / "out1") == files(tmp_path / "out2") == files(tmp_path / "out3")
    assert said[0] == said[1] == said[2]


def test_a_process_that_dies_costs_its_recording(trained, jobs, tmp_path):
    vocoder = Deadly(trained.config.features, iterations=2)
    count, failures = convert_all(Converter(trained, vocoder), jobs, tmp_path / "out", workers=Processes(2))
    assert count == 6
    assert list(failures.reasons) == ["2", "3", "5"]
    assert "5.wav: the process that read it died" in failures.reasons["5"]
    listed = [row["output"] for row in json.loads((tmp_path / "out/manifest.json").read_text())["recordings"]]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*listed, "manifest.json", "manifest.tsv"}


def test_a_folder_that_cannot_be_written_ends_the_run(trained, jobs, tmp_path):
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(SqspeechError, match="cannot write"):
        convert_all(
            Converter(trained, GriffinLim(trained.config.features, iterations=2)),
            jobs,
            tmp_path / "out",
            workers=Processes(2),
        )


def test_a_gpu_stays_in_one_process(monkeypatch, capsys):
    options = ["-o", "out", "--jobs", "2", "--device", "meta"]
    monkeypatch.setattr(sys, "argv", ["sqspeech", "convert", "a.ckpt", "a.wav", *options])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err.startswith("error: --device meta: a network on meta stays in one process")


@pytest.mark.parametrize(
    ("count", "number", "status", "whole_group"),
    [
        (1, signal.SIGTERM, 143, False),
        (2, signal.SIGINT, 130, True),
        (2, signal.SIGTERM, 143, False),
        (2, signal.SIGTERM, 143, True),
    ],
)
def test_a_signal_leaves_nothing_behind(experiment, tmp_path, count, number, status, whole_group):
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.tile(voice(120.0, 0, 10.0), 61), 16000)
    inputs, out = (tmp_path / "a.wav", tmp_path / "b.wav"), tmp_path / "out"
    command = ["convert", experiment.checkpoint, *inputs, "--to", "f1", "-o", out, "--jobs", count]
    run = processes.start(command, tmp_path / "output", {})
    while not list(out.glob(".tmp-*")):  # for the samples of a long recording, in files without names
        assert run.is_alive(), (tmp_path / "output").read_text()
        time.sleep(0.05)
    time.sleep(0.3)
    (os.killpg if whole_group else os.kill)(run.pid, number)
    run.join(120)
    printed = (tmp_path / "output").read_text()
    assert run.exitcode == status, printed
    assert "Traceback" not in printed
    assert not list(out.iterdir())
