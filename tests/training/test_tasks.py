"""Another task than the SQ-VAE in the same engine: two optimisers, phases, and nothing of speech."""

import json
import re
from dataclasses import replace
from pathlib import Path

import gan_task
import processes
import pytest
import torch
import yaml
from gan_task import CODE, GanConfig, GanTask, make_points
from torch import nn

from sqspeech.checkpoint import read_checkpoint
from sqspeech.data.random_hash import hash_numbers
from sqspeech.errors import ConfigError, DataError, SqspeechError
from sqspeech.training import Trainer
from sqspeech.training.step import NEVER, TrainingStep
from sqspeech.training.tasks.base import TASKS, load_task_config, task_name

CPU = torch.device("cpu")
TRAIN, DEV = make_points(50, 0), make_points(20, 1)
VALUES = {"training": {"steps": 12, "log_every": 4, "validate_every": 6, "checkpoint_every": 3, "precision": "float32"}}
CONFIG = GanConfig.from_dict(VALUES, "test")


def make_trainer(exp: Path, config: GanConfig = CONFIG, **options) -> Trainer:
    return Trainer(config, TRAIN, DEV, exp, CPU, **options)


def run(exp: Path, **training) -> Trainer:
    trainer = make_trainer(exp, replace(CONFIG, training=replace(CONFIG.training, **training)))
    trainer.run()
    return trainer


def log(exp: Path) -> list[dict]:
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def weights(exp: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(exp / "last.ckpt", CPU)["model"]


def train_plainly(steps: int) -> tuple[gan_task.Gan, list[float]]:
    """The same training as a plain loop; the errors of its steps."""
    torch.manual_seed(0)
    model, errors = gan_task.Gan(8), []
    batches = GanTask(CONFIG).batches(None, TRAIN, CPU, "device", (0, 1))
    adams = {name: torch.optim.Adam(getattr(model, name).parameters()) for name in ("generator", "discriminator")}

    def descend(name: str, loss: torch.Tensor, rate: float) -> None:
        adams[name].zero_grad()
        adams[name].param_groups[0]["lr"] = rate
        loss.backward()
        nn.utils.clip_grad_norm_(getattr(model, name).parameters(), 1.0)
        adams[name].step()

    for step in range(steps):
        torch.manual_seed(hash_numbers(0, 0, step))
        code, real = batches.batch(batches.key(step))
        fake = model.generator(code) + 0.1 * torch.randn(CODE).sum()
        if step >= 2 and step % 2 == 0:
            descend("discriminator", model.discriminator(fake.detach()).mean() - model.discriminator(real).mean(),
                    1e-2 * 0.9**step)  # fmt: skip
        errors.append((fake - real).square().sum(-1).mean())
        descend("generator", errors[-1] - model.discriminator(fake).mean(), 1e-2 * 0.9**step)
    return model, torch.stack(errors).tolist()


def test_it_trains_as_a_plain_loop_does(tmp_path):
    run(tmp_path)
    model, errors = train_plainly(12)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights(tmp_path)[name], value, rtol=1e-4, atol=1e-5, msg=name)
    lines = log(tmp_path)
    training = [line for line in lines if "error" in line]
    assert [line["step"] for line in training] == [4, 8, 12]
    for line in training:
        mean = sum(errors[line["step"] - 4 : line["step"]]) / 4
        assert line["error"] == pytest.approx(mean, rel=1e-4)
        assert line["rate"] == 1e-2 * 0.9 ** (line["step"] - 1)
    assert [line["step"] for line in lines if "dev_error" in line] == [6, 12]
    assert [line["warning"] for line in lines if "warning" in line] == ["2 validations"]
    error = (model.generator(DEV[:, :CODE]) - DEV[:, CODE:]).square().mean().item()
    assert lines[-2]["dev_error"] == pytest.approx(error, rel=1e-4)


def test_a_statistic_of_some_phases_is_averaged_over_their_steps():
    batches = GanTask(CONFIG).batches(None, TRAIN, CPU, "device", (0, 1))
    step = TrainingStep(gan_task.Gan(8), batches, CONFIG, CPU, eager=True)
    for number in range(6):
        if number == 2:  # where the discriminator joins
            assert set(step.means(range(2))) == {"generator_norm", "generator_loss", "error"}
        step(number)
    sums, means = step.statistics(), step.means(range(6))
    assert means == {name: pytest.approx(sums[name] / (2 if "discriminator" in name else 6)) for name in sums}
    assert "discriminator_norm" in means


@pytest.mark.parametrize("stops", [[5, 12], [3, 6, 7, 12]])
def test_a_stopped_run_is_continued_to_the_same_weights(tmp_path, stops):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    run(straight)
    for steps in stops:
        run(cut, steps=steps)
    one, two = weights(straight), weights(cut)
    assert all(torch.equal(one[name], two[name]) for name in one)
    # A run that ends is validated, and so the cut one more often.
    assert [line for line in log(cut) if "error" in line] == [line for line in log(straight) if "error" in line]


def test_a_rollback_goes_on_with_another_draw(tmp_path, monkeypatch, capsys):
    step, left = GanTask.step, [1]

    def poisoned(task, model, batch, values, update, phase):
        found = step(task, model, batch, values, update, phase)
        if values["rate"] == torch.tensor(1e-2 * 0.9**8) and left[0]:
            left[0] -= 1
            nn.init.constant_(model.discriminator[0].bias, float("nan"))
        return found

    monkeypatch.setattr(GanTask, "step", poisoned)
    trainer = make_trainer(tmp_path, on_nan="rollback")
    trainer.run()
    assert (trainer.step, trainer.train_step.draw) == (12, 1)
    assert trainer.train_step.first_bad() == NEVER
    assert "step 10 is not finite" in capsys.readouterr().err
    left[0] = 1
    with pytest.raises(SqspeechError, match="step 10 is not finite; .* lower the learning rate"):
        make_trainer(tmp_path / "stopped").run()


def test_it_is_profiled_by_its_own_parts(tmp_path):
    rows = re.findall(r"^(\w+) +\d+\.\d+ +\d+\.\d %$", make_trainer(tmp_path).profile(2), re.MULTILINE)
    assert {"data", "generator", "backward", "clip", "optimizer", "other"} <= set(rows)
    assert "encoder" not in rows


def test_another_configuration_or_data_are_refused(tmp_path):
    run(tmp_path, steps=1)
    with pytest.raises(ConfigError, match=r"network.width = 8, not 9; choose another folder"):
        make_trainer(tmp_path, replace(CONFIG, network=gan_task.Network(width=9)))
    with pytest.raises(DataError, match="no points"):
        Trainer(CONFIG, TRAIN, DEV[:0], tmp_path / "new", CPU)


def test_a_configuration_names_its_task(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("task: gan\nnetwork: {width: 5}\n")
    config = load_task_config(path, ["training.steps=7"])
    assert (task_name(config), config.network.width, config.training.steps) == ("gan", 5, 7)
    run(tmp_path / "exp", steps=1)
    assert load_task_config(tmp_path / "exp/config.yaml", ["training.steps=12"]) == CONFIG
    path.write_text("task: gun\n")
    with pytest.raises(ConfigError, match="no task 'gun'; the nearest is gan"):
        load_task_config(path)
    path.write_text("task: gan\nencoder: {width: 5}\n")
    with pytest.raises(ConfigError, match="c.yaml: unknown key encoder; the nearest one is"):
        load_task_config(path)
    assert {"gan", "sqvae"} <= set(TASKS.names())


def test_two_processes_see_what_one_would(tmp_path):
    for name, points in (("train", TRAIN), ("dev", DEV)):
        torch.save(points, tmp_path / f"{name}.pt")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"task": "gan"} | VALUES))
    for count in (1, 2):
        command = ["train", tmp_path, tmp_path / str(count), "--config", tmp_path / "c.yaml", "--device", "cpu"]
        status, output = processes.run(command, tmp_path, count, imported=["gan_task"])
        assert status == 0, output
        assert "50 points" in output
        assert re.search(r"steps 0 to 12, dev_error \d+\.\d\d in best\.ckpt", output)
    curves = [[line for line in log(tmp_path / name) if "warning" not in line] for name in "12"]
    for one, other in zip(*curves, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    one, two = weights(tmp_path / "1"), weights(tmp_path / "2")
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-5, msg=name)
