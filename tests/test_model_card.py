"""The model card of a checkpoint: valid for the Hub, true to the model, and with examples that run."""

import ast
import hashlib
import json
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from commands import run
from corpus import CONFIG
from examples import blocks, prepare
from examples import run as run_example

from sqspeech import model_card
from sqspeech.checkpoint import build_model, checkpoint_content, write_content
from sqspeech.config import ExperimentConfig
from sqspeech.errors import DataError

CODEBOOK = "{codebook_size: 8, codebook_dim: 4}"


def untrained(path: Path, quantizer: str, speakers: list[str]) -> Path:
    config = ExperimentConfig.from_dict(yaml.safe_load(CONFIG.replace(CODEBOOK, quantizer)), "test")
    write_content(path, checkpoint_content(config, speakers, {}, build_model(config, len(speakers)), {}))
    return path


@pytest.fixture(scope="module")
def evaluations(experiment, tmp_path_factory) -> dict[str, Path]:
    """Files of the two commands."""
    out, data = tmp_path_factory.mktemp("evaluations"), experiment.root / "corpus/dev"
    run("evaluate", experiment.checkpoint, data, "-o", out / "metrics.json")
    run("units", experiment.checkpoint, data, "-o", out / "units")
    run("evaluate-units", out / "units", "--data", data, "-o", out / "units.json")
    return {"metrics": out / "metrics.json", "units": out / "units.json"}


def test_the_hub_reads_what_is_known_and_the_figures_as_they_were_measured(experiment, evaluations):
    hub = pytest.importorskip("huggingface_hub")
    text = model_card(
        experiment.checkpoint,
        repo_id="me/speech",
        licence="Apache-2.0",
        languages=["en", "de"],
        data=["someone/corpus", "our recordings"],
        evaluations=[("small", evaluations["metrics"]), ("small", evaluations["units"])],
    )
    data = hub.ModelCard(text).data
    assert (data.license, data.language, data.datasets) == ("apache-2.0", ["en", "de"], ["someone/corpus"])
    assert (data.library_name, data.pipeline_tag, data.model_name) == ("sqspeech", "audio-to-audio", "speech")
    found = {(result.dataset_name, result.metric_type): result.metric_value for result in data.eval_results}
    metrics, units = (json.loads(path.read_text()) for path in evaluations.values())
    assert found["small", "mse_db2"] == metrics["mse_db2"]
    assert found["small", "units_per_second"] == units["systems"]["units"]["units_per_second"]
    assert "someone/corpus, our recordings" in text
    assert f"| Reconstruction error | {metrics['mse_db2']:.4g} dB² |" in text


def test_sizes_are_those_of_the_model(experiment):
    text, stored = model_card(experiment.checkpoint), experiment.checkpoint.read_bytes()
    content = torch.load(experiment.checkpoint, weights_only=True)
    learned = sum(
        value.numel() for name, value in content["model"].items() if "running_" not in name and "_tracked" not in name
    )
    for line in (
        f"| digest | `{hashlib.sha256(stored).hexdigest()[:16]}`,",
        f"| file | {len(stored) / 1e6:.1f} MB,",
        "| bits a second | 150 at a fixed length",  # 50 units of 3 bits
        f"| parameters | {learned:,} |",
        "- Speakers: 4: `f1`, `f2`, `m1`, `m2`.",
    ):
        assert line in text
    assert yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]) == content["config"]


def test_what_is_not_known_is_said_and_not_made_up(experiment):
    text = model_card(experiment.checkpoint)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front.keys() == {"library_name", "tags", "pipeline_tag"}
    for line in (
        "Corpora: not named.",
        "Languages: not named.",
        "Licence of the model: not given;",
        "None were given.",
    ):
        assert line in text


@pytest.mark.parametrize("repo_id", ["me/speech", None])
def test_the_examples_run(hub, experiment, tmp_path, monkeypatch, repo_id):
    hub.add("me/speech", {"model.ckpt": experiment.checkpoint.read_bytes()})
    prepare(tmp_path, experiment.root)
    monkeypatch.chdir(tmp_path / "exp")
    Path("talk.wav").symlink_to(tmp_path / "talk.wav")
    Path("README.md").write_text(model_card(experiment.checkpoint, repo_id=repo_id))
    found = [block for block in blocks(Path("README.md")) if block.language in ("python", "sh")]
    for block in found:
        run_example(block._replace(mark="run" if block.language == "sh" else ""), {})
    assert len(found) == 2
    assert Path("converted.wav").exists()
    assert Path("units/kaldi/units.txt").exists()
    assert list(Path("converted").glob("*.wav"))


def test_models_without_units_with_stages_and_with_names_to_quote(tmp_path):
    text = model_card(untrained(tmp_path / "a.ckpt", "{name: gaussian_vae, latent_dim: 4}", ["o'brien", "b|c"]))
    assert "it has no codebook, and so no units" in text
    python, shell = (text.split(f"```{language}\n")[1].split("```")[0] for language in ("python", "sh"))
    assert "encode" not in python
    assert "o'brien" in {node.value for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Constant)}
    assert shlex.split(shell)[:6] == ["sqspeech", "convert", "a.ckpt", "talk.wav", "--to", "o'brien"]
    stages = "{name: residual, stages: 3, quantizer: {name: vq_ema, codebook_size: 16, codebook_dim: 4}}"
    text = model_card(untrained(tmp_path / "b.ckpt", stages, ["a"]))
    assert "50 a second, each 3 numbers below 16" in text
    assert "| bits a second | 600 at a fixed length" in text


def test_figures_of_another_model_or_of_nothing_are_refused(experiment, evaluations, tmp_path):
    other = untrained(tmp_path / "other.ckpt", CODEBOOK, ["a"])
    for name, reason in (("metrics", "metrics.json: of the checkpoint"), ("units", "units.json: has no units of the")):
        with pytest.raises(DataError, match=reason):
            model_card(other, evaluations=[("", evaluations[name])])
    for content, reason in (("{}", "no file of"), ("[1]", "no file of"), ("words", "no JSON")):
        (tmp_path / "x.json").write_text(content)
        with pytest.raises(DataError, match=rf"x.json: {reason}"):
            model_card(other, evaluations=[("", tmp_path / "x.json")])
    with pytest.raises(DataError, match=r"none.json: cannot read the figures \(No such file"):
        model_card(other, evaluations=[("", tmp_path / "none.json")])


def test_the_command_writes_or_prints_it(experiment, evaluations, tmp_path):
    options = ("--licence", "mit", "--language", "en", "--data", "x/y", "--repo", "me/speech")
    wanted = ("model-card", experiment.checkpoint, *options, "--evaluation", f"small={evaluations['metrics']}")
    printed = run(*wanted)
    assert "On small (4 utterances" in printed
    run(*wanted, "-o", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == printed
