"""The recipe from the files of a data set to its report, on generated images."""

import csv
import gzip
import json
import shlex
import shutil
import struct
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from images.codes import load_codes
from images.prior import load_prior
from images.results import as_csv, markdown, read_results
from images.sample import main as draw
from images.table import read_runs
from PIL import Image
from recipe_runs import bash

from sqspeech.errors import CheckpointError, ConfigError

RECIPE = Path(__file__).parents[3] / "recipes/fashion_mnist"
CPU = torch.device("cpu")
TABLE = """
seeds: [0, 1]
models: {SQ: ../conf/i.yaml, EMA: ../conf/vq_ema.yaml}
set:
  images.resize: 8
  images.batch_size: 8
  network.width: 4
  quantizer.codebook_size: 4
  training.steps: 3
  training.log_every: 1
  training.validate_every: 3
"""
VARIED = "seeds: [0]\nmodels: {SQ: ../conf/i.yaml}\nvary: quantizer.codebook_size\nvalues: [4, 8]\n"
PRIOR = """
task: image_prior
model: {layers: 1, width: 8, heads: 2, context: 4}
training: {steps: 2, batch_size: 4, log_every: 1, validate_every: 2}
"""
COMMANDS = """\
# stage 1: Data preparation
python -m images.prepare fashion_mnist data/fashion_mnist
# stage 3: Training and evaluation
python -m images.runs tables/methods.yaml data/fashion_mnist exp/fashion_mnist/methods --device auto
# stage 4: Codes
python -m images.codes exp/fashion_mnist/methods/i/seed0/last.ckpt data/fashion_mnist \
exp/fashion_mnist/methods/i/seed0/codes --device auto
# stage 4: Prior
python -m images train exp/fashion_mnist/methods/i/seed0/codes exp/fashion_mnist/methods/i/seed0/prior --config \
conf/prior.yaml --device auto
# stage 6: Samples and bits
python -m images.sample exp/fashion_mnist/methods/i/seed0/prior/best.ckpt \
exp/fashion_mnist/methods/i/seed0/last.ckpt exp/fashion_mnist/methods/i/seed0/codes -o \
exp/fashion_mnist/methods/i/seed0/prior --device auto
# stage 7: Report
python -m images.report tables/methods.yaml data/fashion_mnist exp/fashion_mnist/methods
"""


def run_here(recipe: Path, *options: str) -> None:
    """Run the commands of the stages here: importing torch for each of them would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(recipe)
        for line in bash(recipe, "--dry-run", *options).splitlines():
            if not line.startswith("#"):
                python, m, module, *arguments = shlex.split(line)
                assert (python, m) == ("python", "-m")
                patch.setattr(sys, "argv", [module, *arguments])
                command = "images.__main__" if module == "images" else module
                with pytest.raises(SystemExit) as stop:
                    start(command)
                assert not stop.value.code, line


def start(module: str) -> None:
    found = import_module(module)
    found.run(found.main) if hasattr(found, "run") else found.cli.main()


def write_idx(path: Path, count: int) -> None:
    images = np.random.default_rng(count).integers(0, 256, (count, 12, 12), np.uint8)
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, *images.shape) + images.tobytes()))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe, run with a table of two models and two seeds."""
    root = tmp_path_factory.mktemp("recipes")
    shutil.copy(RECIPE.parent / "stages.sh", root)
    recipe = Path(shutil.copytree(RECIPE, root / "fashion_mnist", ignore=shutil.ignore_patterns("data", "exp")))
    (recipe / "tables/tiny.yaml").write_text(TABLE)
    (recipe / "tables/varied.yaml").write_text(VARIED + TABLE.partition("}")[2])
    (recipe / "conf/prior.yaml").write_text(PRIOR)
    (root / "files").mkdir()
    write_idx(root / "files/train-images-idx3-ubyte.gz", 60)
    write_idx(root / "files/t10k-images-idx3-ubyte.gz", 20)
    run_here(recipe, "--dataset", "mnist", "--source", str(root / "files"), "--table", "tiny", "--device", "cpu")
    return recipe


def test_the_stages_are_frozen():
    assert bash(RECIPE, "--dry-run") == COMMANDS


def test_every_model_and_seed_is_trained_measured_and_tabulated(recipe):
    exp = recipe / "exp/mnist/tiny"
    with (exp / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"]) for row in rows] == [("SQ", "0"), ("SQ", "1"), ("EMA", "0"), ("EMA", "1")]
    values = [float(row["mse_1e3"]) for row in rows if row["model"] == "SQ"]
    cell = f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    table = (exp / "table.md").read_text()
    assert f"| SQ | 2 | 3 | {cell} |" in table
    for row in rows:
        folder = exp / {"SQ": "i", "EMA": "vq_ema"}[row["model"]] / f"seed{row['seed']}"
        measures = json.loads((folder / "metrics.json").read_text())
        assert float(row["perplexity"]) == pytest.approx(measures["perplexity"], rel=1e-3)
        assert sum(measures["usage"]) == 20 * 4
    for name in ("annealing.png", "reconstructions.png"):
        Image.open(exp / name).verify()


def test_what_is_done_is_not_done_again_and_a_failure_is_named(recipe, monkeypatch, capsys):
    runs = import_module("images.runs")
    path = (recipe / "tables/tiny.yaml", recipe / "data/mnist", recipe / "exp/mnist/tiny")
    monkeypatch.setattr(runs, "Trainer", None)
    runs.main(*path, device="cpu")
    assert capsys.readouterr().out == f"{path[2]}: 4 runs, 4 of them done\n"
    monkeypatch.undo()
    (recipe / "tables/longer.yaml").write_text(TABLE.replace("batch_size: 8", "batch_size: 9"))
    with pytest.raises(Exception, match=r"4 of 4 runs failed; run the same command to try them again"):
        runs.main(recipe / "tables/longer.yaml", path[1], path[2], device="cpu")
    assert "failed: " in capsys.readouterr().out


def test_the_prior_is_of_the_codes_of_the_model(recipe):
    folder = recipe / "exp/mnist/tiny/i/seed0"
    codes = load_codes(folder / "codes/test.npz")
    assert (codes.codes.shape, codes.codebook_size) == ((20, 4, 1), 4)
    usage = json.loads((folder / "metrics.json").read_text())["usage"]
    assert torch.bincount(codes.codes.flatten(), minlength=4).tolist() == usage
    prior, about = load_prior(folder / "prior/best.ckpt", CPU)
    assert about["digest_of_codes"] == codes.digest
    found = json.loads((folder / "prior/prior.json").read_text())
    assert found["bits_uniform"] == 8
    assert found["bits_uniform_per_dim"] == 8 / 64
    assert found["bits"] == pytest.approx(chain_rule(prior, codes.codes), rel=1e-4)
    Image.open(folder / "prior/samples.png").verify()
    with pytest.raises(CheckpointError, match=r"is no prior over codes of images"):
        load_prior(folder / "last.ckpt", CPU)
    with pytest.raises(CheckpointError, match=r"seed1/last.ckpt: .* was trained on the codes of another model"):
        draw(folder / "prior/best.ckpt", folder.parent / "seed1/last.ckpt", folder / "codes", folder, device="cpu")


def chain_rule(prior: torch.nn.Module, codes: torch.Tensor) -> float:
    """The mean bits of the codes, one image and one code at a time."""
    total = 0.0
    with torch.inference_mode():
        for image in codes:
            steps = prior.after_begin(image[None])
            for place in range(len(image)):
                hidden = prior.hidden(steps[:, : place + 1])[:, -1]
                probabilities = prior.logits(hidden, steps[:, place + 1], 0).softmax(-1)
                total -= np.log2(probabilities[0, image[place, 0]].item())
    return total / len(codes)


def test_a_table_whose_key_varies_is_swept(recipe):
    table, exp = recipe / "tables/varied.yaml", recipe / "exp/mnist/varied"
    import_module("images.runs").main(table, recipe / "data/mnist", exp, device="cpu")
    results = read_results(read_runs(table, exp))
    assert [(label, value, row[0].measures["codebook_size"]) for (label, value), row in results.items()] == [
        ("SQ", 4, 4), ("SQ", 8, 8),
    ]  # fmt: skip
    assert "| SQ | 4 | 1 | 3 |" in markdown(results, "quantizer.codebook_size")
    assert as_csv(results).splitlines()[1].startswith("SQ,4,0,3,")
    import_module("images.report").write_report(table, recipe / "data/mnist", exp)
    Image.open(exp / "sweep.png").verify()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models: {A: a.yaml}", r"t.yaml: seeds: "),
        ("seeds: [0]\nmodels: {A: a.yaml}\nvarry: x", r"t.yaml: varry: "),
        ("seeds: [0]\nmodels: {A: none.yaml}", r"none.yaml: cannot read"),
        (f"seeds: [0]\nmodels: {{A: {RECIPE}/conf/prior.yaml}}", r"prior.yaml: is no configuration of the task image_"),
    ],
)
def test_a_mistake_in_a_table_is_one_line(tmp_path, text, reason):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        read_runs(tmp_path / "t.yaml", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((RECIPE / "tables").iterdir()), ids=lambda path: path.stem)
def test_a_table_of_the_recipe_is_read(path, tmp_path):
    runs = read_runs(path, tmp_path)
    assert len({one.folder for one in runs}) == len(runs)
