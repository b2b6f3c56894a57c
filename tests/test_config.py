from pathlib import Path

import pytest

from sqspeech.config import ExperimentConfig, load_config, save_config
from sqspeech.errors import ConfigError

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


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/conf/*.yaml")), ids=lambda p: f"{p.parts[-3]}/{p.stem}")
def test_a_recipe_configuration_is_complete(path, tmp_path):
    """Nothing is left to defaults that a later version may change."""
    config = load_config(path)
    save_config(tmp_path / "full.yaml", config)
    keys = {line.split(":")[0] for line in (tmp_path / "full.yaml").read_text().splitlines() if ":" in line}
    stated = {line.split(":")[0] for line in path.read_text().splitlines() if ":" in line}
    assert keys <= stated


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
        ("crops: {frames: 3}", [], r"crops.frames: .*multiple of 2"),
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
