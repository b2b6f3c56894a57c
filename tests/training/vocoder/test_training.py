"""Training of the vocoder: stopped and continued, its adversarial phase, and its average."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from capture_watch import Watch
from vocoder_place import CPU, Place

from sqspeech.checkpoint import read_checkpoint
from sqspeech.training import Trainer
from sqspeech.training.step import TrainingStep


def trained(place: Place, exp: Path, config: Path, stops: list[int]) -> tuple[dict[str, torch.Tensor], list[dict]]:
    for steps in stops:
        task = place.task(config)
        training = replace(task.config.training, steps=steps)
        data = task.open_data(place.root / "dump")
        Trainer(replace(task.config, training=training), *data, exp, CPU).run()
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if k != "steps_per_second"} for line in lines if "loss" in line]
    return read_checkpoint(exp / "last.ckpt", CPU)["model"], kept


def test_a_stopped_training_with_two_optimizers_is_continued_to_the_same_weights(place, tmp_path):
    straight, log = trained(place, tmp_path / "straight", place.adversarial, [6])
    cut, other = trained(place, tmp_path / "cut", place.adversarial, [1, 4, 6])
    assert straight.keys() == cut.keys()
    assert all(torch.equal(straight[name], cut[name]) for name in straight)
    assert log == other
    assert "discriminators" not in log[0]
    assert {"discriminators", "adversarial", "matching"} <= log[1].keys()


@pytest.mark.parametrize("number", [1, 3])  # before and in the adversarial phase
def test_a_step_neither_waits_nor_takes_a_size_from_values(place, number):
    task = place.task(place.adversarial)
    train, _ = task.open_data(place.root / "dump")
    torch.manual_seed(0)
    model = task.model(train)
    step = TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), task.config, CPU, eager=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for earlier in range(number):
        step(earlier)
    step._prepare(number)
    with Watch() as watch:
        step._train()
    assert watch.seen > 200
    assert watch.found == []
    assert torch.tensor(list(step.statistics().values())).isfinite().all()
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"generator", "average"} | ({"discriminators"} if number == 3 else set())


def test_the_average_follows_the_weights(place):
    task = place.task()
    train, _ = task.open_data(place.root / "dump")
    torch.manual_seed(0)
    model = task.model(train)
    step = TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), task.config, CPU, eager=True)
    wanted = model.generator.last.bias.detach().double().clone()
    for number in range(3):
        step(number)
        share = min(0.998, (1 + number) / (10 + number))
        wanted = share * wanted + (1 - share) * model.generator.last.bias.detach().double()
    torch.testing.assert_close(model.average.last.bias.double(), wanted, rtol=1e-5, atol=1e-6)


def test_the_best_is_the_newest_once_there_are_discriminators(place, tmp_path):
    task = place.task(place.adversarial)
    begin = task.config.discriminators.begin
    assert not task.better(2.0, 1.0, begin)
    assert task.better(1.0, 2.0, begin)
    assert task.better(2.0, 1.0, begin + 1)
    assert not place.task().better(2.0, 1.0, begin + 1)
    trained(place, tmp_path, place.adversarial, [6])
    assert read_checkpoint(tmp_path / "best.ckpt", CPU)["training"]["step"] == 6
