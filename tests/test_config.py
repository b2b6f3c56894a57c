from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from sqspeech.config import ExperimentConfig, load_config, read_values, save_config
from sqspeech.errors import ConfigError
from sqspeech.quantizers import QUANTIZERS, GaussianSQ
from sqspeech.training.tasks.base import load_task_config, save_task_config
from sqspeech.vocoders.source_filter import SourceFilter

RECIPES = Path(__file__).parents[1] / "recipes"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_defaults_are_the_published_configuration():
    config = ExperimentConfig()
    assert (config.encoder.width, config.quantizer.codebook_size, config.quantizer.codebook_dim) == (
        768,
        512,
        64,
    )
    assert (config.crops.batch_size, config.crops.frames, config.training.steps) == (52, 32, 500_000)
    assert config == load_config(RECIPES / "mini/conf/published.yaml")


# Those of compare are tables of models and what these share; those of fashion_mnist are of a task of its own.
OTHERS = ("compare", "fashion_mnist")
CONFIGURATIONS = sorted(path for path in RECIPES.glob("*/conf/*.yaml") if path.parts[-3] not in OTHERS)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_a_recipe_configuration_is_complete(path, tmp_path):
    """Nothing is left to defaults that a later version may change."""
    save_task_config(tmp_path / "full.yaml", load_task_config(path))
    full, stated = read_values(tmp_path / "full.yaml"), read_values(path)
    assert _keys(full) == _keys(stated)


def _keys(values: dict) -> dict:
    return {name: section.keys() if isinstance(section, dict) else section for name, section in values.items()}


VOCODERS = {
    "librispeech/vocoder_small": 0.5,
    "librispeech/vocoder": 1.7,
    "librispeech/vocoder_gpu": 1.7,
    "librispeech/vocoder_large": 13.6,
    "mini/vocoder": 0.5,
    "vctk/vocoder": 1.7,
    "vctk/vocoder_gpu": 1.7,
    "zerospeech2019/vocoder": 1.7,
    "zerospeech2019/vocoder_gpu": 1.7,
}


@pytest.mark.parametrize(("name", "millions"), VOCODERS.items())
def test_the_vocoders_have_the_sizes_that_they_state(name, millions):
    recipe, configuration = name.split("/")
    config = load_task_config(RECIPES / recipe / f"conf/{configuration}.yaml")
    published = load_config(RECIPES / "mini/conf/published.yaml")
    assert config.features == published.features
    network = SourceFilter(config.network, config.features)
    assert sum(weights.numel() for weights in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_what_is_saved_is_read_back(tmp_path):
    config = load_config(RECIPES / "mini/conf/demo.yaml", ["training.learning_rate=2e-5", "quantizer.variance=III"])
    save_config(tmp_path / "c.yaml", config)
    assert load_config(tmp_path / "c.yaml") == config
    assert (config.training.learning_rate, config.quantizer.variance) == (2e-5, "III")


def test_exponents_without_a_point_are_numbers(tmp_path):
    assert load_config(write(tmp_path, "training: {learning_rate: 1e-4}")).training.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "overrides", "reason"),
    [
        ("encoder: {widht: 3}", [], r"c.yaml: unknown key encoder.widht; the nearest one is encoder.width"),
        ("encodr: {width: 3}", [], r"unknown key encodr; the nearest one is encoder"),
        ("training: {steps: many}", [], r"training.steps: .* valid integer, found 'many'"),
        ("training: {steps: 0}", [], r"training.steps: .* greater than or equal to 1, found 0"),
        ("training: {steps: 1.5}", [], r"training.steps"),
        ("quantizer: {variance: V}", [], r"quantizer.variance: .*'IV', found 'V'"),
        ("quantizer: {codebook_size: 1}", [], r"quantizer.codebook_size"),
        ("features: {fmax: 9000}", [], r"features: fmin 50.0 < fmax 9000.0"),
        (
            "quantizer: {codebok_size: 4}",
            [],
            r"unknown key quantizer.codebok_size; the nearest one is quantizer.codebook_size",
        ),
        ("quantizer: {name: vq_ema, reset_aftr: 4}", [], r"the nearest one is quantizer.reset_after"),
        (
            "quantizer: {name: vq}",
            [],
            r"c.yaml: quantizer.name: no quantizer 'vq'; the nearest is vq_ema \(known are .*, vmf_sq, vq_ema\)",
        ),
        ("quantizer: {codebook_dim: 0}", [], r"quantizer.codebook_dim: .*greater than or equal to 1, found 0"),
        ("quantizer: {learn_variance: false}", [], r"learn_variance: false needs variance I, not IV"),
        ("training: {temperature_decay: -1.0}", [], r"training.temperature_decay: .*found -1.0"),
        (
            "training: {objective: mse}",
            [],
            r"objective: mse does not fit the quantizer gaussian_sq, whose loss is in nats",
        ),
        ("", [], r"not a mapping"),
        ("a: [", [], r"not YAML"),
        ("encoder: {}", ["encoder.wdth=3"], r"unknown key encoder.wdth"),
        ("encoder: {}", ["width=3"], r"--set width=3: expected section.key=value"),
        ("encoder: {}", ["encoder.width"], r"--set encoder.width: expected"),
    ],
)
def test_each_mistake_is_one_line_that_names_file_and_key(tmp_path, text, overrides, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(write(tmp_path, text), overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: cannot read"):
        load_config(tmp_path / "none.yaml")


# What each configuration of the recipe librispeech has of its own; the rest is that of iv.yaml.
LIBRISPEECH = {
    "i": {"quantizer": {"variance": "I"}},
    "plus": {
        "encoder": {"normalize": True},
        "quantizer": {"variance": "I", "initial_variance": 0.1, "initial_scale": 0.3},
        "crops": {"batch_size": 8, "frames": 128},
    },
    "vq_ema": {
        "quantizer": {
            "name": "vq_ema",
            "codebook_size": 128,
            "codebook_dim": 16,
            "decay": 0.999,
            "commitment": 0.25,
            "reset": False,
            "reset_after": 100,
            "rotation": False,
        },
        "training": {"objective": "mse"},
    },
}


@pytest.mark.parametrize("name", LIBRISPEECH)
def test_the_configurations_of_librispeech_differ_in_this(name):
    iv, other = (load_config(RECIPES / f"librispeech/conf/{name}.yaml").to_dict() for name in ("iv", name))
    own = LIBRISPEECH[name]
    for section, values in other.items():
        replaced = "name" in own.get(section, {})
        assert values == ({} if replaced else iv[section]) | own.get(section, {}), section


def overlay(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "top.yaml"


def test_an_overlay_replaces_the_keys_that_it_gives(tmp_path):
    (tmp_path / "below").mkdir()
    top = overlay(
        tmp_path,
        top="base: below/middle.yaml\ntraining: {seed: 3}\nfeatures: {fmax: 7000}",
        **{"below/middle": "base: ../bottom.yaml\ntraining: {steps: 20, learning_rate_milestones: [5]}"},
        bottom="training: {steps: 10, seed: 1, learning_rate_milestones: [1, 2]}\nfeatures: {fmin: 60}",
    )
    config = load_config(top, ["training.seed=4"])
    assert (config.training.steps, config.training.seed, config.training.learning_rate_milestones) == (20, 4, (5,))
    assert (config.features.fmin, config.features.fmax) == (60, 7000)
    assert "base" not in config.to_dict()


@pytest.mark.parametrize(
    ("bottom", "top", "wanted"),
    [
        ("{codebook_size: 9, variance: I}", "{codebook_dim: 3}", {"codebook_size": 9, "variance": "I"}),
        ("{codebook_size: 9, variance: I}", "{name: gaussian_sq}", {"codebook_size": 9, "variance": "I"}),
        ("{name: gaussian_sq, codebook_size: 9}", "{variance: II}", {"codebook_size": 9, "variance": "II"}),
        ("{codebook_size: 9, variance: I}", "{name: vq_ema}", {"name": "vq_ema", "codebook_size": 512}),
        ("{name: vq_ema, codebook_size: 9}", "{name: gaussian_sq}", {"name": "gaussian_sq", "codebook_size": 512}),
        ("{name: vq_ema, codebook_size: 9}", "{decay: 0.5}", {"name": "vq_ema", "codebook_size": 9, "decay": 0.5}),
    ],
)
def test_another_quantiser_replaces_the_section(tmp_path, bottom, top, wanted):
    path = overlay(tmp_path, bottom=f"quantizer: {bottom}", top=f"base: bottom.yaml\nquantizer: {top}")
    assert load_config(path).to_dict()["quantizer"].items() >= wanted.items()


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"top": "base: none.yaml"}, r"top.yaml: base: .*none.yaml: cannot read the configuration \(No such file"),
        ({"top": "base: top.yaml"}, r"top.yaml: base: .*top.yaml is a base of itself; remove"),
        ({"top": "base: a.yaml", "a": "base: ./top.yaml"}, r"top.yaml: base: .*top.yaml is a base of itself"),
        ({"top": "base: 3"}, r"top.yaml: base: expected the path of another configuration, found 3"),
        ({"top": "base: [a.yaml]"}, r"expected the path"),
        ({"top": "base: a.yaml", "a": "[]"}, r"top.yaml: base: .*a.yaml: not a mapping of sections"),
        ({"top": "base: a.yaml", "a": "a: ["}, r"top.yaml: base: .*a.yaml: not YAML"),
        ({"top": "base: a.yaml", "a": "crops: {frame: 4}"}, r"top.yaml: unknown key crops.frame; .* crops.frames"),
    ],
)
def test_a_bad_base_is_one_line(tmp_path, texts, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(overlay(tmp_path, **texts))
    assert "\n" not in str(caught.value)


@pytest.fixture
def toy():
    """A quantiser from outside the package: its configuration, while it is registered."""

    @dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
    class ToyConfig:
        in_nats: ClassVar[bool] = False
        name: Literal["toy"] = "toy"
        radius: float = Field(default=1.0, gt=0)
        sizes: tuple[int, ...] = (2, 3)

    QUANTIZERS.names()  # loads the others, which are registered first
    QUANTIZERS.register("toy", config=ToyConfig)(GaussianSQ)
    yield ToyConfig
    del QUANTIZERS._classes["toy"], QUANTIZERS._configs["toy"]


def test_a_quantiser_from_outside_is_configured_as_any_other(toy, tmp_path):
    path = write(tmp_path, "quantizer: {name: toy, sizes: [4]}\ntraining: {objective: mse}")
    config = load_config(path, ["quantizer.radius=2.5"])
    assert config.quantizer == toy(radius=2.5, sizes=(4,))
    assert config.to_dict()["quantizer"] == {"name": "toy", "radius": 2.5, "sizes": [4]}
    assert ExperimentConfig.from_dict(config.to_dict(), "test") == config
    save_config(tmp_path / "saved.yaml", config)
    assert load_config(tmp_path / "saved.yaml") == config


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("{name: toy, radus: 2.0}", r"c.yaml: unknown key quantizer.radus; the nearest one is quantizer.radius"),
        ("{name: toy, radius: 0}", r"c.yaml: quantizer.radius: .*greater than 0, found 0"),
        ("{name: toy, radius: wide}", r"quantizer.radius: .*valid number, found 'wide'"),
        ("{name: toi}", r"quantizer.name: no quantizer 'toi'; the nearest is toy"),
        ("{name: 3}", r"quantizer.name: no quantizer '3'"),
        ("3", r"quantizer: not a mapping of keys to values, found 3"),
        ("null", r"quantizer: not a mapping of keys to values, found None"),
    ],
)
def test_errors_in_a_section_from_outside(toy, tmp_path, section, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(write(tmp_path, f"quantizer: {section}"))
    assert "\n" not in str(caught.value)


def test_a_configuration_of_no_registered_class_is_refused():
    with pytest.raises(ValueError, match="quantizer"):
        ExperimentConfig(quantizer=3)


def test_a_section_without_a_name_is_the_default():
    """As in checkpoints that were written before there was a choice."""
    values = ExperimentConfig().to_dict()
    del values["quantizer"]["name"]
    assert ExperimentConfig.from_dict(values, "test") == ExperimentConfig()
