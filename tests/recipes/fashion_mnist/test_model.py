"""The task on images: its model, targets and measures, and its training by the engine."""

import json
from dataclasses import replace
from pathlib import Path

import images.prior  # noqa: F401 (registers its task)
import numpy as np
import pytest
import torch
from images.config import ImageConfig, ImagesConfig, NetworkConfig
from images.image_set import load_images
from images.measure import measure
from images.model import ImageSQVAE, load_model
from images.targets import Classes, Gray
from images.task import ImageTask

from sqspeech.checkpoint import FORMAT, write_content
from sqspeech.config import read_values
from sqspeech.errors import CheckpointError, ConfigError, DataError
from sqspeech.training import Trainer
from sqspeech.training.tasks.base import load_task_config, save_task_config

RECIPE = Path(__file__).parents[3] / "recipes/fashion_mnist"
CPU = torch.device("cpu")
SMALL = {
    "images": {"resize": 8, "batch_size": 8},
    "network": {"width": 4, "depth": 1, "num_down": 1},
    "quantizer": {
        "codebook_size": 8, "codebook_dim": 4, "variance": "I", "initial_variance": 0.1, "initial_scale": 0.3,
    },
    "training": {
        "steps": 40, "learning_rate": 2e-2, "temperature_decay": 0.1, "log_every": 20, "validate_every": 40,
    },
}  # fmt: skip
QUANTIZERS = (
    *({"name": "gaussian_sq", "variance": v, "codebook_size": 8, "codebook_dim": 4} for v in ("I", "II", "III", "IV")),
    {"name": "vmf_sq", "codebook_size": 8, "codebook_dim": 4},
    {"name": "vq_ema", "codebook_size": 8, "codebook_dim": 4},
    {"name": "gaussian_vae", "latent_dim": 4},
)


def config(**sections) -> ImageConfig:
    return ImageConfig.from_dict({name: {**SMALL[name], **sections.get(name, {})} for name in SMALL}, "test")


def stripes(count: int, seed: int = 0) -> torch.Tensor:
    """Images of 8 × 8 pixels: a bright stripe, whose place and brightness differ."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(8, (count, 1, 1), generator=generator)
    bright = torch.randint(100, 256, (count, 1, 1), generator=generator)
    return (bright * (torch.arange(8) // 2 == places // 2)).expand(count, 8, 8)[:, None].byte()


@pytest.mark.parametrize("target", ["gray", "levels", "mask"])
@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=lambda q: f"{q['name']}_{q.get('variance', '')}")
def test_each_target_goes_with_each_quantiser(target, quantizer):
    objective = "mean" if quantizer["name"] == "vq_ema" else "nats"
    values = {**SMALL, "images": {**SMALL["images"], "target": target}, "quantizer": quantizer}
    wanted = ImageConfig.from_dict(values | {"training": {**SMALL["training"], "objective": objective}}, "test")
    torch.manual_seed(0)
    model, images = ImageSQVAE(wanted, 3), stripes(8).expand(-1, 3, -1, -1)
    output = model(images)
    assert torch.equal(output.loss, output.reconstruction + output.quantized.loss)
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    found = measure(model.eval(), images)
    assert ("perplexity" in found) == (quantizer["name"] != "gaussian_vae")
    if "bits" in found:
        codes = model.encode(images)
        assert codes.shape == (8, 16)
        decoded = model.decode(codes)
        assert decoded.shape == images.shape
        assert 0 <= decoded.min() <= decoded.max() <= 1
        assert sum(found["usage"]) == codes.numel()


def test_codes_are_in_raster_order():
    """A pixel of the right upper quarter changes code 1, of a network whose codes depend on their own pixels alone."""
    torch.manual_seed(0)
    model = ImageSQVAE(config(images={"resize": 2}, network={"num_down": 0}), 1).eval()
    with torch.no_grad():
        model.encoder[0].weight[:] = 0
        model.encoder[0].weight[:, :, 1, 1] = 5
        model.quantizer.codebook[:] = torch.linspace(0, 5, 8).unsqueeze(1)
    dark, image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    image[0, 0, 0, 1] = 255
    assert (model.encode(image) != model.encode(dark)).tolist() == [[False, True, False, False]]


def test_gray_is_measured_by_the_plain_squared_error():
    target, images = Gray(1), stripes(5)
    output = torch.randn(5, 1, 8, 8)
    wanted = np.mean((1 / (1 + np.exp(-output.numpy().astype(float))) - images.numpy() / 255) ** 2)
    nats, mean = target.losses(output, images)
    assert mean.item() == pytest.approx(wanted, rel=1e-5)
    assert nats.item() == pytest.approx(32 * np.log(wanted), rel=1e-5)
    tally = sum(target.tally(o[None], i[None]) for o, i in zip(output, images, strict=True))
    assert target.measures(tally) == {"mse_1e3": pytest.approx(1e3 * wanted, rel=1e-6)}


def test_classes_are_measured_by_plain_counts():
    target = Classes(1, 4)
    images = torch.tensor([[0, 63, 64, 255]], dtype=torch.uint8).view(1, 1, 2, 2)
    truth, decoded = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 1])
    assert target.classes(images).flatten().tolist() == truth.tolist()
    output = 9.0 * torch.eye(4)[decoded].T.reshape(1, 4, 2, 2)
    log_p = output - output.exp().sum(1, keepdim=True).log()
    right = [log_p[0, c, place // 2, place % 2].item() for place, c in enumerate(truth)]
    nats, mean = target.losses(output, images)
    assert nats.item() == pytest.approx(-sum(right), rel=1e-5)
    assert mean.item() == pytest.approx(-sum(right) / 4, rel=1e-5)
    overlaps = [
        np.sum((truth == c) & (decoded == c)) / np.sum((truth == c) | (decoded == c)) for c in (0, 1, 3)
    ]  # fmt: skip
    assert target.measures(target.tally(output, images)) == {
        "pixel_error": pytest.approx(50), "mean_iou": pytest.approx(100 * np.mean(overlaps)),
    }  # fmt: skip
    assert target.picture(output).flatten().tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])


def test_256_levels_are_the_bytes_and_the_mask_is_what_is_not_dark():
    images = torch.arange(256).byte().view(1, 1, 16, 16)
    assert torch.equal(Classes(1, 256).classes(images), images.long())
    assert Classes(1, None).classes(images).sum() == 256 - 17


def test_the_engine_trains_it_and_goes_on_to_the_same_weights(tmp_path):
    train, dev = stripes(200), stripes(64, 1)
    begun = {"steps": 20}
    for exp, stops in (("straight", [SMALL["training"]]), ("cut", [SMALL["training"] | begun, SMALL["training"]])):
        for training in stops:
            Trainer(config(training=training), train, dev, tmp_path / exp, CPU).run()
    straight, cut = (load_model(tmp_path / exp / "last.ckpt", CPU) for exp in ("straight", "cut"))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, cut.state_dict()[name]), name
    lines = [json.loads(line) for line in (tmp_path / "straight/metrics.jsonl").read_text().splitlines()]
    errors = [line["dev_error"] for line in lines if "dev_error" in line]
    # The variance of the images about their mean: it has learnt what the codes say.
    assert errors[-1] < 0.7 * 1e3 * (dev / 255).var(0).mean()
    assert errors[-1] == pytest.approx(measure(straight, dev)["mse_1e3"], rel=1e-5)


def test_images_of_other_channels_do_not_continue_a_training(tmp_path):
    short = config(training={"steps": 1})
    Trainer(short, stripes(8), stripes(8), tmp_path, CPU).run()
    with pytest.raises(DataError, match=r"was trained on images of 1 channels; choose another folder"):
        Trainer(short, *[stripes(8).expand(-1, 3, -1, -1)] * 2, tmp_path, CPU)


def test_a_checkpoint_of_another_task_is_refused(tmp_path):
    write_content(tmp_path / "speech.ckpt", {"format": FORMAT, "config": {}})
    with pytest.raises(CheckpointError, match=r"speech.ckpt: is no model of images"):
        load_model(tmp_path / "speech.ckpt", CPU)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["images.resize=30", "network.num_down=3"], r"resize: 30 pixels are no multiple of 8, .*set images.resize=32"),
        (["images.levels=300"], r"images.levels: .*less than or equal to 256, found 300"),
        (["training.objective=mean"], r"objective: mean does not fit the quantizer gaussian_sq, whose loss is in nats"),
        (["network.widht=3"], r"unknown key network.widht; the nearest one is network.width"),
        (["training.betas=[0.0, 1.0]"], r"training.betas.1: .*less than 1"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(overrides, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        load_task_config(RECIPE / "conf/i.yaml", overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((RECIPE / "conf").iterdir()), ids=lambda path: path.stem)
def test_a_configuration_of_the_recipe_is_complete(path, tmp_path):
    save_task_config(tmp_path / "full.yaml", load_task_config(path))
    full, stated = read_values(tmp_path / "full.yaml"), read_values(path)
    assert full.pop("task") == stated.pop("task")
    assert {name: section.keys() for name, section in full.items()} == {
        name: section.keys() for name, section in stated.items()
    }


def test_the_minimal_setting_has_four_codes():
    minimal = load_task_config(RECIPE / "conf/minimal.yaml")
    assert minimal.grid == 2
    assert replace(minimal, images=ImagesConfig(resize=64)).grid == 4
    assert replace(minimal, network=NetworkConfig(num_down=2)).grid == 8


def test_prepared_images_are_opened_by_the_task(tmp_path):
    for name in ("train", "dev"):
        np.savez(tmp_path / f"{name}.npz", images=stripes(3).permute(0, 2, 3, 1).numpy())
    train, dev = ImageTask(config()).open_data(tmp_path)
    assert torch.equal(train, stripes(3))
    assert torch.equal(dev, load_images(tmp_path / "dev.npz", 8))
