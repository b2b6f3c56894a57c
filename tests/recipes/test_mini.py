"""The mini recipe from end to end, as `make demo` runs it, on fewer voices and sentences."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sqspeech.data.data_dir import DataDir

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = """
encoder: {width: 32}
quantizer: {codebook_size: 16, codebook_dim: 8}
decoder: {width: 24, layers: 1, jitter: 0.1}
crops: {batch_size: 8, frames: 32}
training: {steps: 60, learning_rate: 5e-3, temperature_decay: 0.05, log_every: 10, validate_every: 30}
"""
TINY_PRIOR = """
task: prior
model: {layers: 1, width: 16, heads: 2, context: 16}
training: {steps: 10, batch_size: 4, log_every: 5, validate_every: 5}
"""
TINY_VOCODER = """
task: vocoder
network: {width: 16, blocks: 1}
crops: {batch_size: 4, frames: 32}
training: {steps: 10, warm_up: 5, anneal: 10, log_every: 5, validate_every: 10}
"""
KEYS = {
    "mse_db2", "feature_variance_db2", "perplexity", "active_codes", "codebook_size", "bitrate",
    "abx_within", "abx_across", "abx_within_mfcc", "abx_across_mfcc",
}  # fmt: skip


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recipe, so that a run leaves nothing in the repository."""
    root = tmp_path_factory.mktemp("recipes")
    made = shutil.ignore_patterns("data", "dump", "exp")
    shutil.copytree(RECIPES, root, dirs_exist_ok=True, ignore=made)
    (root / "mini/conf/tiny.yaml").write_text(TINY)
    (root / "mini/conf/tiny_prior.yaml").write_text(TINY_PRIOR)
    (root / "mini/conf/tiny_vocoder.yaml").write_text(TINY_VOCODER)
    return root / "mini"


def run(recipe: Path, *options: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    configurations = ("--config", "tiny", "--prior", "tiny_prior", "--vocoder", "tiny_vocoder")
    process = subprocess.run(
        [recipe / "run.sh", *configurations, "--device", "cpu", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def keep(folder: Path, speakers: set[str], sentences: int) -> None:
    data = DataDir.read(folder)
    texts = sorted({u.text or "" for u in data})[:sentences]
    subset = data.subset(u.utt_id for u in data if u.spk_id in speakers and u.text in texts)
    subset.write(folder)
    item = folder / "phones.item"
    header, *lines = item.read_text().splitlines()
    kept = {u.utt_id for u in subset}
    item.write_text("\n".join([header, *(line for line in lines if line.split()[0] in kept)]) + "\n")


@pytest.fixture(scope="module")
def printed(recipe: Path) -> str:
    """Output of all stages."""
    run(recipe, "--stop-stage", "1")
    keep(recipe / "data/train", {"f1", "m1"}, 12)
    keep(recipe / "data/dev", {"f1", "m1"}, 2)
    keep(recipe / "data/test", {"f1", "m1"}, 10)
    return run(recipe, "--stage", "2")


def test_every_stage_does_its_part(recipe, printed):
    exp = recipe / "exp/tiny"
    metrics = json.loads((exp / "metrics.json").read_text())
    assert metrics.keys() >= KEYS
    assert metrics["mse_db2"] < metrics["feature_variance_db2"]
    assert metrics["parallel"]["pairs"] == 2
    assert len((exp / "units/kaldi/units.txt").read_text().splitlines()) == 20
    assert len(list((exp / "conversion").glob("*.wav"))) == 60
    assert len(list((exp / "generated").glob("*.wav"))) == 4
    assert (exp / "report.html").read_text().count("<audio") == 6 * 4 + 4 + 3 * 2 * 5
    assert len(list((exp / "logs").glob("*.log"))) == 17
    for told in (
        "exp/tiny/report.html",
        "exp/tiny/conversion",
        "exp/tiny/units/kaldi/units.txt",
        "Reconstruction error",
    ):
        assert told in printed


def test_a_second_run_continues_and_repeats_nothing(recipe, printed):
    checkpoint = recipe / "exp/tiny/last.ckpt"
    before = checkpoint.read_bytes()
    out = run(recipe, "--stage", "2", "--stop-stage", "3")
    assert "steps 60 to 60" in out
    assert checkpoint.read_bytes() == before
