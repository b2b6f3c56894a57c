"""Processes that are joined by gloo, against one process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import prior_units
import pytest
import torch
import yaml
from processes import run

from sqspeech.checkpoint import read_checkpoint
from sqspeech.training.tasks.base import save_task_config

CPU = torch.device("cpu")
# Of a run that is stopped on its way.
STEPS = 100
QUANTIZERS = {
    "gaussian_sq": {"name": "gaussian_sq", "codebook_size": 8, "codebook_dim": 4, "reset": True},
    "vq_ema": {"name": "vq_ema", "codebook_size": 8, "codebook_dim": 4, "reset": True, "reset_after": 2},
    "residual": {
        "name": "residual",
        "stages": 2,
        "dropout": 0.5,
        "quantizer": {"name": "gaussian_sq", "codebook_size": 8, "codebook_dim": 4},
    },
}


def arguments(experiment, exp: Path, *options: str) -> list[object]:
    config = ["--config", experiment.root / "c.yaml", "--device", "cpu"]
    return ["train", experiment.root / "dump", exp, *config, *options]


def train(experiment, exp: Path, processes: int, *options: str) -> None:
    status, errors = run(arguments(experiment, exp, *options), exp.parent, processes)
    assert status == 0, errors


@contextmanager
def launched(experiment, exp: Path, *options: str, restarts: int = 0) -> Iterator[subprocess.Popen]:
    """Two processes of torchrun itself."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "--max-restarts", str(restarts), "-m", "sqspeech.cli"]
    command += map(str, arguments(experiment, exp, *options))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as launcher:
        yield launcher


def curve(exp: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def weights(exp: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(exp / "last.ckpt", CPU)["model"]


@pytest.mark.parametrize(("quantizer", "processes"), [("gaussian_sq", 2), ("vq_ema", 4), ("residual", 2)])
def test_processes_share_a_batch_and_see_what_one_would(experiment, tmp_path, quantizer, processes):
    config = yaml.safe_load((experiment.root / "c.yaml").read_text()) | {"quantizer": QUANTIZERS[quantizer]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    for count in (1, processes):
        train(experiment, tmp_path / str(count), count, "--config", str(tmp_path / "c.yaml"))
    alone = curve(tmp_path / "1")
    assert {line["step"] for line in alone} == {2, 3, 4, 6}
    for one, other in zip(alone, curve(tmp_path / str(processes)), strict=True):
        # Reordered sums differ by some 1e-7, which clipping and Adam's first steps enlarge.
        assert other == pytest.approx(one, rel=1e-3)
    shared = weights(tmp_path / str(processes))
    for name, value in weights(tmp_path / "1").items():
        torch.testing.assert_close(shared[name], value, rtol=1e-2, atol=2e-3, msg=name)


def test_processes_share_the_batch_of_a_prior(tmp_path):
    """Windows of unequal length, so that the processes have unequal shares of the steps."""
    prior = replace(prior_units.CONFIG, model=replace(prior_units.CONFIG.model, dropout=0.0))
    units = prior_units.write_sets(tmp_path / "units")
    prior_units.train_prior(tmp_path / "alone", units, prior)
    save_task_config(tmp_path / "c.yaml", prior)
    command = ["train", units, tmp_path / "shared", "--config", tmp_path / "c.yaml", "--device", "cpu"]
    status, errors = run(command, tmp_path, 2)
    assert status == 0, errors
    alone, shared = weights(tmp_path / "alone"), weights(tmp_path / "shared")
    for name, value in alone.items():
        torch.testing.assert_close(shared[name], value, rtol=1e-3, atol=1e-5, msg=name)
    ends = [curve(tmp_path / name)[-1] for name in ("alone", "shared")]
    assert ends[1]["dev_bits_per_unit"] == pytest.approx(ends[0]["dev_bits_per_unit"], rel=1e-4)


def test_a_run_is_continued_by_another_number_of_processes(experiment, tmp_path):
    train(experiment, tmp_path / "alone", 1)
    train(experiment, tmp_path / "both", 2, "--set", "training.steps=3")
    train(experiment, tmp_path / "both", 1)
    for one, other in zip(curve(tmp_path / "alone"), curve(tmp_path / "both"), strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def test_torchrun_replaces_a_lost_process_and_passes_sigterm_on_and_the_run_goes_on(experiment, tmp_path):
    length = ["--set", f"training.steps={STEPS}", "--set", "training.validate_every=10"]
    train(experiment, tmp_path / "straight", 2, *length)
    cut, runs = tmp_path / "cut", tmp_path / "cut/runs.jsonl"
    with launched(experiment, cut, *length, restarts=3) as launcher:
        wait_for(lambda: (cut / "best.ckpt").exists())
        os.kill(workers(launcher.pid)[-1], signal.SIGKILL)
        wait_for(lambda: len(text(runs).splitlines()) == 2)
        begun = len(text(cut / "metrics.jsonl").splitlines())
        wait_for(lambda: len(text(cut / "metrics.jsonl").splitlines()) > begun)
        launcher.send_signal(signal.SIGTERM)
        _, errors = launcher.communicate(timeout=300)
    assert launcher.returncode != 0
    assert "run the same command to go on" in errors
    stopped = read_checkpoint(cut / "last.ckpt", CPU)["training"]["step"]
    assert 0 < stopped < STEPS
    train(experiment, cut, 2, *length)
    first = [json.loads(line)["first_step"] for line in runs.read_text().splitlines()]
    assert first[0] == 0 < first[1] < stopped == first[2]
    one, two = weights(tmp_path / "straight"), weights(cut)
    assert all(torch.equal(one[name], two[name]) for name in one)
    # The means of an interval that was cut in two have their sums in another order.
    near = [
        {name: value if isinstance(value, str) else pytest.approx(value, rel=1e-5) for name, value in line.items()}
        for line in curve(tmp_path / "straight")
    ]
    assert curve(cut) == near


def test_a_batch_that_cannot_be_shared_out_is_refused(experiment, tmp_path):
    status, errors = run(arguments(experiment, tmp_path / "exp"), tmp_path, 3)
    assert status == 1
    assert "error: crops.batch_size" in errors


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def wait_for(condition) -> None:
    end = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def workers(launcher: int) -> list[int]:
    lists = [file.read_text() for file in Path(f"/proc/{launcher}/task").glob("*/children")]
    return sorted(int(child) for part in lists for child in part.split())
