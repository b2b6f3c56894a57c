"""Trainings that are killed without a word, as by a power cut or the system that is out of memory."""

import random
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from processes import CONTEXT

from sqspeech.checkpoint import read_checkpoint
from sqspeech.config import load_config
from sqspeech.data.feature_store import FeatureStore
from sqspeech.training import Trainer

CPU = torch.device("cpu")
KILLS = 8


def train(root: Path, exp: Path, steps: int) -> None:
    torch.set_num_threads(1)
    config = load_config(root / "c.yaml", [])
    training = replace(
        config.training, steps=steps, log_every=1, validate_every=20, checkpoint_every=3, checkpoint_seconds=0,
        keep_every=10, keep=2,
    )  # fmt: skip
    stores = (FeatureStore.open(root / "dump" / name) for name in ("train", "dev"))
    Trainer(replace(config, training=training), *stores, exp, CPU).run()


def log(exp: Path) -> list[str]:
    lines = (exp / "metrics.jsonl").read_text().splitlines()
    return [line.partition(', "steps_per_second"')[0] for line in lines]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for(child: BaseProcess, path: Path, count: int) -> None:
    while child.is_alive() and lines(path) < count:
        time.sleep(0.005)


def test_kills_change_no_byte(experiment, tmp_path):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    steps, killed, begun = 150, 0, 0
    draw = random.Random(0)
    while killed < KILLS:
        child = CONTEXT.Process(target=train, args=(experiment.root, cut, steps))
        child.start()
        # After a time from the first sign of this child, so that kills hit the loading, the steps and the writing.
        # Every fourth takes some steps and writes a checkpoint, however busy the machine is.
        runs, steps_log = cut / "runs.jsonl", cut / "metrics.jsonl"
        wait_for(child, runs, begun + 1)
        if killed % 4 == 3:
            wait_for(child, steps_log, lines(steps_log) + 4)
        time.sleep(draw.uniform(0, 0.25))
        child.kill()
        child.join()
        killed += child.exitcode == -9
        begun = lines(runs)
        assert child.exitcode in (-9, 0)
        steps += 50 * (child.exitcode == 0)
    step = read_checkpoint(cut / "last.ckpt", CPU)["training"]["step"]
    assert step > 0
    for exp in (straight, cut):
        train(experiment.root, exp, steps)
    one, two = (read_checkpoint(exp / "last.ckpt", CPU) for exp in (straight, cut))
    assert all(torch.equal(one["model"][name], two["model"][name]) for name in one["model"])
    assert log(cut) == log(straight)
    assert {path.name for path in cut.iterdir()} == {path.name for path in straight.iterdir()}
