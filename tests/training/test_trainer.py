import json
import re
import signal
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import yaml
from corpus import CONFIG, SPEAKERS

from sqspeech.checkpoint import TrainedModel, read_checkpoint
from sqspeech.config import ExperimentConfig, TrainingConfig, load_config
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import ConfigError, DataError, SqspeechError
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.training import Trainer
from sqspeech.training.interruption import Stopped
from sqspeech.training.schedules import learning_rate, temperature
from sqspeech.training.step import TrainingStep

EXPERIMENT = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
CPU = torch.device("cpu")


def run(stores, exp, **training) -> Trainer:
    config = replace(EXPERIMENT, training=replace(EXPERIMENT.training, **training))
    trainer = Trainer(config, *stores, exp, CPU)
    trainer.run()
    return trainer


def log(exp) -> list[dict]:
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    # Of all that is logged, only the speed may differ between two runs.
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def test_an_experiment_directory_has_everything(stores, tmp_path):
    run(stores, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.yaml", "runs.jsonl", "metrics.jsonl", "tensorboard", "last.ckpt", "previous.ckpt", "best.ckpt",
    }  # fmt: skip
    assert load_config(tmp_path / "config.yaml") == EXPERIMENT
    assert TrainedModel.load(tmp_path / "best.ckpt").speakers == sorted(SPEAKERS)
    assert list((tmp_path / "tensorboard").iterdir())
    training = [line for line in log(tmp_path) if "loss" in line]
    dev = [line for line in log(tmp_path) if "dev_mse_db2" in line]
    assert [line["step"] for line in training] == [2, 4, 6]
    assert [line["step"] for line in dev] == [3, 6]
    for line in training:
        assert line["loss"] == pytest.approx(line["reconstruction"] + line["kl"], rel=1e-4)
        assert line["kl"] >= 0
        assert 1 <= line["batch_perplexity"] <= 8


def test_it_learns(stores, tmp_path):
    run(stores, tmp_path, steps=60, log_every=20, validate_every=60, learning_rate=3e-3)
    training = [line for line in log(tmp_path) if "loss" in line]
    assert training[-1]["mse_db2"] < 0.5 * training[0]["mse_db2"]


def test_a_stopped_run_is_continued_to_the_same_weights(stores, tmp_path):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    run(stores, straight)
    run(stores, cut, steps=3)
    with (cut / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 1.0}\n{"step": 5, "lo')
    run(stores, cut)
    assert log(cut) == log(straight)
    one, two = (read_checkpoint(exp / "last.ckpt", CPU)["model"] for exp in (straight, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert run(stores, cut).step == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_an_interrupted_run_loses_no_step(stores, tmp_path, number, monkeypatch):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    run(stores, straight)
    train_step = TrainingStep.__call__

    def interrupted(step, index):
        if index == 4:
            signal.raise_signal(number)
        train_step(step, index)

    monkeypatch.setattr(TrainingStep, "__call__", interrupted)
    with pytest.raises(Stopped, match=rf"stopped by {number.name} after step 5; .* run the same command to go on"):
        run(stores, cut)
    monkeypatch.undo()
    assert read_checkpoint(cut / "last.ckpt", CPU)["training"]["step"] == 5
    run(stores, cut)
    one, two = (read_checkpoint(exp / "last.ckpt", CPU)["model"] for exp in (straight, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert log(cut) == log(straight)


def test_checkpoints_keep_to_a_pace_and_the_best_the_kept_and_the_last_do_not_wait(stores, tmp_path, monkeypatch):
    saved, save = [], Trainer._save
    monkeypatch.setattr(Trainer, "_save", lambda trainer, **more: (saved.append(trainer.step), save(trainer, **more)))
    often = {"steps": 12, "validate_every": 5, "checkpoint_every": 1, "keep_every": 4, "learning_rate": 1e-9}
    run(stores, tmp_path / "paced", **often, checkpoint_seconds=3600)
    # Of the validations after 5, 10 and 12 steps, those that found the least error yet.
    errors = [line["dev_mse_db2"] for line in log(tmp_path / "paced") if "dev_mse_db2" in line]
    best = [step for number, step in enumerate((5, 10)) if errors[number] < min([*errors[:number], 1e9])]
    assert saved == sorted({0, 4, 8, 12, *best})
    saved.clear()
    run(stores, tmp_path / "all", **often, checkpoint_seconds=0)
    assert saved == list(range(13))
    one, two = (read_checkpoint(tmp_path / name / "last.ckpt", CPU)["model"] for name in ("paced", "all"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("how", ["done", "stopped", "failed", "profiled"])
def test_the_graph_is_given_back_before_the_processes_part(stores, tmp_path, monkeypatch, how):
    trainer = Trainer(EXPERIMENT, *stores, tmp_path, CPU)
    trainer.train_step._recordings = recorded = {"": object()}
    if how == "profiled":
        trainer.profile(1)
        assert trainer.train_step._recordings == {}
        return
    train_step = TrainingStep.__call__

    def ended(step, index):
        assert step._recordings is recorded
        train_step(step, index)
        if how == "stopped":
            signal.raise_signal(signal.SIGTERM)
        elif how == "failed":
            raise RuntimeError("out of memory")

    monkeypatch.setattr(TrainingStep, "__call__", ended)
    with {"done": nullcontext(), "stopped": pytest.raises(Stopped)}.get(how, pytest.raises(RuntimeError)):
        trainer.run()
    assert trainer.train_step._recordings == {}


def test_another_configuration_is_refused_with_its_key(stores, tmp_path):
    run(stores, tmp_path, steps=1)
    other = replace(EXPERIMENT, encoder=replace(EXPERIMENT.encoder, width=17))
    with pytest.raises(ConfigError, match=r"encoder.width = 16, not 17; choose another folder"):
        Trainer(other, *stores, tmp_path, CPU)


def test_dev_speakers_must_be_training_speakers(stores, tmp_path):
    train, dev = stores
    alone = replace(train, data=train.data.subset(u.utt_id for u in train.data if u.spk_id == "f1"))
    with pytest.raises(DataError, match="speaker f2 of f2-03 is not among the training speakers"):
        Trainer(EXPERIMENT, alone, dev, tmp_path, CPU)


def test_crops_of_half_a_unit_are_refused(stores, tmp_path):
    config = replace(EXPERIMENT, crops=replace(EXPERIMENT.crops, frames=15))
    with pytest.raises(ConfigError, match="crops.frames: 15 is no multiple of the encoder's stride, 2"):
        Trainer(config, *stores, tmp_path, CPU)


def test_a_dev_set_too_short_for_a_unit_is_refused(stores, tmp_path, monkeypatch):
    train, dev = stores
    lengths = FeatureStore.lengths
    monkeypatch.setattr(FeatureStore, "lengths", lambda store: [3] * len(dev) if store is dev else lengths(store))
    with pytest.raises(DataError, match=r"dev: no utterance reaches the 4 frames of a unit \(the longest of 4 has 3\)"):
        Trainer(EXPERIMENT, train, dev, tmp_path, CPU)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_the_version_with_one_optimizer_is_continued(stores, tmp_path):
    straight, cut = tmp_path / "straight", tmp_path / "cut"
    run(stores, straight)
    run(stores, cut, steps=3)
    content = torch.load(cut / "last.ckpt", weights_only=True)
    state = content["training"]
    state["best_mse_db2"], step = state.pop("best"), state["step_state"]
    state["step_state"] = {
        "optimizer": step["optimizers"]["model"],
        "draw": step["draw"],
        "names": step["statistics"][""]["names"],
        "sums": step["statistics"][""]["sums"],
    }
    torch.save(content, cut / "last.ckpt")
    run(stores, cut)
    assert log(cut) == log(straight)
    one, two = (read_checkpoint(exp / "last.ckpt", CPU)["model"] for exp in (straight, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)


def poison(monkeypatch, at: int, times: int = 1):
    """Make the codebook NaN before a step, so many times that it is reached."""
    train_step, left = TrainingStep.__call__, [times]

    def poisoned(step, index):
        if index == at and left[0]:
            left[0] -= 1
            with torch.no_grad():
                step.model.quantizer.codebook[0, 0] = float("nan")
        train_step(step, index)

    monkeypatch.setattr(TrainingStep, "__call__", poisoned)


def test_a_loss_that_is_not_finite_stops_the_run(stores, tmp_path, monkeypatch):
    poison(monkeypatch, at=4)
    with pytest.raises(SqspeechError) as raised:
        run(stores, tmp_path)
    assert re.search(r"step 5 is not finite; the mean .* was loss \S+, .* last.ckpt of step 3; ", str(raised.value))
    good = read_checkpoint(tmp_path / "last.ckpt", CPU)
    assert good["training"]["step"] == 3
    assert all(value.isfinite().all() for value in good["model"].values())
    monkeypatch.undo()
    assert run(stores, tmp_path).step == 6


def test_a_rollback_goes_on_with_another_draw(stores, tmp_path, monkeypatch, capsys):
    run(stores, tmp_path / "straight")
    poison(monkeypatch, at=4)
    config = replace(EXPERIMENT, training=replace(EXPERIMENT.training, steps=6))
    trainer = Trainer(config, *stores, tmp_path / "rolled", CPU, on_nan="rollback")
    trainer.run()
    assert (trainer.step, trainer.train_step.draw) == (6, 1)
    assert "going on from there with another draw" in capsys.readouterr().err
    straight, rolled = log(tmp_path / "straight"), log(tmp_path / "rolled")
    assert [line["step"] for line in rolled] == [line["step"] for line in straight]
    assert rolled[:2] == straight[:2]
    assert rolled[-1]["dev_mse_db2"] != straight[-1]["dev_mse_db2"]


def test_rollbacks_that_do_not_help_end(stores, tmp_path, monkeypatch):
    poison(monkeypatch, at=4, times=99)
    trainer = Trainer(EXPERIMENT, *stores, tmp_path, CPU, on_nan="rollback")
    with pytest.raises(SqspeechError, match="5 other draws from there failed too"):
        trainer.run()


def test_schedules():
    config = TrainingConfig()
    assert [learning_rate(config, s) for s in (0, 299_999, 300_000, 400_000)] == [4e-4, 4e-4, 2e-4, 1e-4]
    assert temperature(config, 0) == 1.0
    assert temperature(config, 100_000) == pytest.approx(0.36788, abs=1e-5)


QUANTIZERS = {
    "gaussian_sq": {"codebook_size": 8, "codebook_dim": 4, "variance": "III"},
    "vmf_sq": {"codebook_size": 8, "codebook_dim": 4},
    "vq_ema": {"codebook_size": 8, "codebook_dim": 4, "reset": True, "reset_after": 2},
    "gaussian_vae": {"latent_dim": 4},
    "fsq": {"levels": [3, 4]},
    "sim_vq": {"codebook_size": 8, "codebook_dim": 4},
    "residual": {"stages": 2, "dropout": 0.5, "quantizer": {"codebook_size": 8, "codebook_dim": 4, "reset": True}},
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_every_quantiser_trains_resumes_and_evaluates(stores, tmp_path, name):
    values = yaml.safe_load(CONFIG) | {"quantizer": {"name": name, **QUANTIZERS[name]}}
    config = ExperimentConfig.from_dict(values, "test")
    for exp, stops in ((tmp_path / "straight", [6]), (tmp_path / "cut", [3, 6])):
        for steps in stops:
            part = replace(config, training=replace(config.training, steps=steps))
            Trainer(part, *stores, exp, CPU).run()
    one, two = (read_checkpoint(tmp_path / exp / "last.ckpt", CPU)["model"] for exp in ("straight", "cut"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    metrics, _ = evaluate(TrainedModel.load(tmp_path / "cut/last.ckpt"), stores[1].data, parallel=True)
    assert metrics["mse_db2"] > 0
    assert ("bitrate" in metrics) == (name != "gaussian_vae")


def test_the_objective_may_be_the_plain_error(stores, tmp_path):
    values = yaml.safe_load(CONFIG)
    values["quantizer"] = {"name": "vq_ema", **QUANTIZERS["vq_ema"]}
    values["training"]["objective"] = "mse"
    Trainer(ExperimentConfig.from_dict(values, "test"), *stores, tmp_path, CPU).run()
    line = log(tmp_path)[0]
    assert line["reconstruction"] * 6400 == pytest.approx(line["mse_db2"], rel=1e-5)
    assert line["loss"] == pytest.approx(line["reconstruction"] + 0.25 * line["commitment"], rel=1e-5)


def test_another_quantiser_than_the_checkpoint_s_is_refused(stores, tmp_path):
    run(stores, tmp_path, steps=1)
    values = yaml.safe_load(CONFIG) | {"quantizer": {"name": "vmf_sq", "codebook_size": 8, "codebook_dim": 4}}
    with pytest.raises(ConfigError, match=r"quantizer.name = gaussian_sq, not vmf_sq; choose another folder"):
        Trainer(ExperimentConfig.from_dict(values, "test"), *stores, tmp_path, CPU)
