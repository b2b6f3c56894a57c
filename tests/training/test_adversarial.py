"""The adversarial phase: fixed units, a decoder that is sharpened, exact continuation, and what a checkpoint holds."""

from dataclasses import replace

import pytest
import torch
import yaml
from capture_watch import Watch
from corpus import CONFIG
from training_steps import QUANTIZERS

from sqspeech.checkpoint import TrainedModel, build_model, read_checkpoint
from sqspeech.config import DiscriminatorConfig, ExperimentConfig
from sqspeech.training import Trainer
from sqspeech.training.spectrum_discriminator import SpectrumDiscriminator, relative_distance, sharpen, units_of
from sqspeech.training.step import TrainingStep
from sqspeech.training.tasks.base import task_of

CPU = torch.device("cpu")
BEGIN = 3
SEVERAL = ("gaussian_sq_reset", "vq_ema_reset", "residual_vq_ema", "residual_dropout", "gaussian_vae")


def config(quantizer: dict | None = None, decoder: str = "gru") -> ExperimentConfig:
    values = yaml.safe_load(CONFIG)
    values["quantizer"] = quantizer or values["quantizer"]
    values["decoder"] |= {"name": decoder}
    values["discriminator"] = {"begin": BEGIN, "channels": [2, 3, 4]}
    return ExperimentConfig.from_dict(values, "test")


def make_step(stores, config: ExperimentConfig) -> TrainingStep:
    task, (train, _) = task_of(config), stores
    torch.manual_seed(0)
    model = task.model(train).train()
    return TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), config, CPU, eager=True)


def weights_of(step: TrainingStep) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in step.model.state_dict().items()}


@pytest.mark.parametrize("decoder", ["gru", "conv"])
@pytest.mark.parametrize("quantizer", SEVERAL)
def test_the_units_stay_and_decoder_and_discriminator_learn(stores, quantizer, decoder):
    step = make_step(stores, config(QUANTIZERS[quantizer], decoder))
    for number in range(BEGIN):
        step(number)
    before = weights_of(step)
    assert "discriminator" not in step.statistics()
    step(BEGIN)
    step(BEGIN + 1)
    after = weights_of(step)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "discriminator"}
    assert {"adversarial", "matching", "discriminator", "mse_db2"} <= step.statistics().keys()
    assert step.model.training
    assert all(part.training for part in step.model.modules())


def test_a_step_neither_waits_nor_takes_a_size_from_values(stores):
    step = make_step(stores, config())
    for number in range(BEGIN):
        step(number)
    step._prepare(BEGIN)
    with Watch() as watch:
        step._train()
    assert watch.seen > 200
    assert watch.found == []


def test_a_stopped_training_is_continued_to_the_same_weights(stores, tmp_path):
    def trained(exp, stops):
        for steps in stops:
            made = replace(config(), training=replace(config().training, steps=steps))
            Trainer(made, *stores, tmp_path / exp, CPU).run()
        return read_checkpoint(tmp_path / exp / "last.ckpt", CPU)

    straight, cut = trained("straight", [6]), trained("cut", [2, 4, 6])
    assert all(torch.equal(value, cut["model"][name]) for name, value in straight["model"].items())
    assert straight["training"]["step_state"]["optimizers"].keys() == {"model", "decoder", "discriminator"}


def test_the_newest_is_the_best_and_a_use_of_it_has_no_discriminator(stores, tmp_path):
    Trainer(config(), *stores, tmp_path, CPU).run()
    content = read_checkpoint(tmp_path / "best.ckpt", CPU)
    assert content["training"]["step"] == 6
    assert any(name.startswith("discriminator.") for name in content["model"])
    used = TrainedModel.load(tmp_path / "best.ckpt").model
    assert used.discriminator is None
    assert not any(name.startswith("discriminator.") for name in used.state_dict())
    task = task_of(config())
    assert not task.better(2.0, 1.0, BEGIN)
    assert task.better(2.0, 1.0, BEGIN + 1)
    without = task_of(replace(config(), discriminator=DiscriminatorConfig()))
    assert not without.better(2.0, 1.0, BEGIN + 1)


def test_a_decoder_of_several_rates_is_given_several_rates():
    model, mel = build_model(config(QUANTIZERS["residual_dropout"]), 1).train(), torch.rand(40, 16, 80)
    torch.manual_seed(0)
    found = units_of(model, mel)
    model.eval()
    codes = model.encode(mel)
    of_stages = [model.quantizer.lookup(codes[..., : count + 1]) for count in range(3)]
    used = [[torch.allclose(row, z[place], atol=1e-5) for z in of_stages] for place, row in enumerate(found)]
    assert all(sum(row) == 1 for row in used)
    assert torch.tensor(used).any(0).all()


def test_relative_distance():
    real = [torch.tensor([1.0, -3.0]), torch.tensor([2.0]), torch.tensor([100.0])]
    made = [torch.tensor([2.0, -3.0]), torch.tensor([-2.0]), torch.tensor([0.0])]
    assert relative_distance(real, made) == pytest.approx((1 / 4 + 4 / 2) / 2)  # the scores are left out


def test_the_score_is_of_a_speaker_and_of_places():
    torch.manual_seed(0)
    discriminator, mel = SpectrumDiscriminator(DiscriminatorConfig(), 3), torch.rand(2, 64, 80)
    *_, one = discriminator(mel, torch.tensor([0, 1]))
    *_, other = discriminator(mel, torch.tensor([2, 2]))
    assert one.shape == (2, 1, 16, 10)
    assert torch.equal(one, other)
    with torch.no_grad():
        discriminator.speakers.weight[2] = 1.0
    *_, wanted = discriminator(mel, torch.tensor([0, 2]))
    assert torch.equal(wanted[0], one[0])
    assert not torch.allclose(wanted[1], one[1])


def test_what_units_leave_open_is_made_up_and_not_averaged():
    """Of noise the units tell nothing: the squared error alone makes its mean of it, which has no variance."""

    def spread(weight: float) -> float:
        torch.manual_seed(0)
        settings = DiscriminatorConfig(channels=(4, 4, 4), adversarial_weight=weight, matching_weight=weight)
        model = build_model(config(decoder="conv"), 2).train()
        discriminator, speaker = SpectrumDiscriminator(settings, 2), torch.tensor([0, 1] * 4)
        adams = {
            "decoder": torch.optim.Adam(model.decoder.parameters(), 2e-3),
            "discriminator": torch.optim.Adam(discriminator.parameters(), 2e-3, betas=(0.5, 0.9)),
        }

        def update(name, loss):
            adams[name].zero_grad()
            loss.backward()
            adams[name].step()
            return loss

        for _ in range(100):
            sharpen(model, discriminator, settings, (torch.rand(8, 16, 80), speaker), update)
        with torch.no_grad():
            return model.decoder(units_of(model, torch.rand(8, 16, 80)), speaker).std().item()

    natural = torch.rand(8, 16, 80).std().item()
    plain, sharp = spread(0.0), spread(0.3)
    assert plain < 0.1 * natural
    assert sharp > 3 * plain
