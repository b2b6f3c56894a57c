"""The comparison of models, with a stand-in for sqspeech that writes files like those of a real run."""

import csv
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from benchmarks.compare.__main__ import compare
from benchmarks.compare.configuration import TableError
from benchmarks.compare.pictures import draw_pictures
from benchmarks.compare.results import dev_mse_db2
from benchmarks.compare.run import read_runs
from sqspeech.config import ExperimentConfig

TABLES = Path(__file__).resolve().parents[2] / "recipes/compare/conf"
TABLE = """
base: base.yaml
seeds: [0, 1, 2]
models:
  - {name: sq, label: SQ, family: SQ}
  - {name: ema, label: EMA, family: EMA, set: {quantizer: {name: vq_ema, codebook_size: 8}, training.objective: mse}}
  - {name: vae, label: VAE, family: VAE, seeds: [0], set: {quantizer: {name: gaussian_vae, latent_dim: 4}}}
"""
BASE = """
quantizer: {name: gaussian_sq, variance: IV, codebook_size: 4}
training: {objective: ar_elbo, steps: 70, learning_rate: 1e-3}
"""
# Figures follow from the seed, so that a test can tell them. It trains half way and stops where it is told to.
SQSPEECH = """\
import json, os, signal, sys, time
from pathlib import Path
import yaml

started, (command, first, second), options = time.time(), sys.argv[1:4], sys.argv[4:]
given = dict(zip(options[::2], options[1::2]))
exp = Path(second) if command == "train" else Path(first).parent
if command == "train":
    config = yaml.safe_load(Path(given["--config"]).read_text())
    config["training"]["seed"] = seed = int(given["--set"].removeprefix("training.seed="))
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    if os.environ.get("SLOW"):
        (exp / "last.ckpt").write_text("step 5")
        signal.signal(signal.SIGTERM, lambda *_: (print("step saved"), sys.exit(75)))
        time.sleep(60)
    if os.environ.get("FAIL") == f"{exp.parent.name}/{exp.name}":
        sys.exit("Traceback\\nerror: the loss is not finite\\n")
    begun = (exp / "last.ckpt").exists()
    with (exp / "metrics.jsonl").open("a") as log:
        for step in range(10, 80, 10):
            log.write(json.dumps({"step": step, "entropy": 7 - step / 10, "log_variance": -seed}) + "\\n")
            log.write(json.dumps({"step": step, "dev_mse_db2": 100 - step + seed}) + "\\n")
    (exp / "last.ckpt").write_text("step 70")
    print("continued" if begun else "trained")
    time.sleep(float(os.environ.get("NAP", 0)))
else:
    config = yaml.safe_load((exp / "config.yaml").read_text())
    seed, quantizer = config["training"]["seed"], config["quantizer"]
    metrics = {"mse_db2": 30 + seed**2, "feature_variance_db2": 250.0}
    if "codebook_size" in quantizer:
        size = quantizer["codebook_size"]
        metrics |= {"perplexity": size / 2 + seed, "active_codes": size - 1, "bitrate": 100 + seed}
        metrics |= {"codebook_size": size, "usage": [0, *range(1, size)]}
    if "--item" in given:
        metrics |= {"abx_within": 9.0 + seed, "abx_across": 12.0, "abx_within_mfcc": 10.25, "abx_across_mfcc": 20.5}
    Path(given["-o"]).write_text(json.dumps(metrics))
with (Path(os.environ["CALLS"])).open("a") as calls:
    call = {"call": f"{command} {exp.parent.name}/{exp.name}", "argv": sys.argv[1:], "start": started}
    calls.write(json.dumps(call | {"end": time.time(), "threads": os.environ["OMP_NUM_THREADS"]}) + "\\n")
"""


class Comparison:
    """A comparison in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.exp, self.calls_path = root, root / "exp", root / "calls.jsonl"
        self.table = root / "table.yaml"
        self.table.write_text(TABLE)
        (root / "base.yaml").write_text(BASE)

    def run(self, **options: Any) -> None:
        paths = {"dump": self.root / "dump", "data": self.root / "data"}
        compare(**{"table": self.table, "exp": self.exp, **paths, "device": "cpu", **options})

    def calls(self) -> list[dict[str, Any]]:
        """Return what was called since this was last asked."""
        lines = self.calls_path.read_text().splitlines() if self.calls_path.exists() else []
        self.calls_path.write_text("")
        return [json.loads(line) for line in lines]

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.exp / name).open(newline="") as file:
            return list(csv.DictReader(file))


def prepare(root: Path, patch: pytest.MonkeyPatch) -> Comparison:
    command = root / "bin/sqspeech"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\n{SQSPEECH}")
    command.chmod(0o755)
    patch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    patch.setenv("CALLS", str(root / "calls.jsonl"))
    patch.setattr("benchmarks.compare.__main__.draw_pictures", lambda exp, results: [])  # they take a second
    return Comparison(root)


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    return prepare(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a comparison; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        comparison = prepare(tmp_path_factory.mktemp("finished"), patch)
        comparison.run()
    return comparison.exp


@pytest.fixture
def done(comparison: Comparison, finished: Path) -> Comparison:
    """A comparison that has been run, without ABX."""
    shutil.copytree(finished, comparison.exp)
    return comparison


@pytest.fixture
def drawn(done: Comparison, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """One that has been run and will draw its pictures."""
    monkeypatch.setattr("benchmarks.compare.__main__.draw_pictures", draw_pictures)
    return done


def cells(comparison: Comparison, label: str) -> list[str]:
    lines = (comparison.exp / "table.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_every_model_is_trained_then_evaluated_with_each_seed(comparison):
    comparison.run(item=comparison.root / "phones.item", jobs=2)
    calls = comparison.calls()
    runs = [f"{model}/seed{seed}" for model, seeds in (("sq", 3), ("ema", 3), ("vae", 1)) for seed in range(seeds)]
    assert sorted(call["call"] for call in calls) == sorted(f"{c} {run}" for run in runs for c in ("train", "evaluate"))
    argv = {call["call"]: " ".join(call["argv"]) for call in calls}
    root, exp = comparison.root, comparison.exp
    assert argv["train ema/seed2"] == (
        f"train {root}/dump {exp}/ema/seed2 --config {exp}/ema/config.yaml --set training.seed=2 --device cpu"
    )
    assert argv["evaluate ema/seed2"] == (
        f"evaluate {exp}/ema/seed2/last.ckpt {root}/data -o {exp}/ema/seed2/metrics.json "
        f"--item {root}/phones.item --device cpu"
    )
    assert "trained" in (exp / "ema/seed2/log.txt").read_text()


@pytest.mark.parametrize("jobs", [1, 3])
def test_jobs_run_at_once_share_the_cores_and_take_one_seed_of_every_model_first(comparison, monkeypatch, jobs):
    monkeypatch.setenv("NAP", "0.3")
    comparison.run(jobs=jobs)
    calls = comparison.calls()
    at_once = [sum(other["start"] <= call["start"] < other["end"] for other in calls) for call in calls]
    assert max(at_once) == jobs
    assert {call["threads"] for call in calls} == {str(max(1, (os.cpu_count() or 1) // jobs))}
    trained = [c["call"] for c in sorted(calls, key=lambda c: c["start"]) if c["call"].startswith("train")]
    assert {call.split("/")[1] for call in trained[:3]} == {"seed0"}


def test_a_model_replaces_values_and_whole_sections_and_the_command_line_comes_last(comparison):
    comparison.run(overrides=["training.learning_rate=2e-4"])
    config = yaml.safe_load((comparison.exp / "ema/config.yaml").read_text())
    assert config == {
        "quantizer": {"name": "vq_ema", "codebook_size": 8},
        "training": {"objective": "mse", "steps": 70, "learning_rate": 0.0002},
    }


def test_what_is_done_is_skipped_and_what_is_missing_is_done(done):
    done.run()
    assert done.calls() == []
    (done.exp / "sq/seed1/metrics.json").unlink()
    os.utime(done.exp / "ema/seed0/metrics.json", (0, 0))  # as if it were trained further since
    done.run()
    assert sorted(call["call"] for call in done.calls()) == ["evaluate ema/seed0", "evaluate sq/seed1"]


def test_abx_is_added_to_what_was_evaluated_without(done):
    assert cells(done, "SQ")[-1] == "—"
    done.run(item=done.root / "phones.item")
    assert {call["call"].split()[0] for call in done.calls()} == {"evaluate"}
    assert cells(done, "SQ")[-2:] == ["10.00 ± 1.00", "12.00 ± 0.00"]


def test_a_run_that_was_stopped_is_continued(done):
    log = done.exp / "sq/seed1/metrics.jsonl"
    log.write_text("\n".join(log.read_text().splitlines()[:-3]) + '\n{"step": 70, "dev_m')
    done.run()
    assert [call["call"] for call in done.calls()] == ["train sq/seed1", "evaluate sq/seed1"]
    assert "continued" in (done.exp / "sq/seed1/log.txt").read_text()


def test_another_configuration_is_neither_skipped_nor_tabulated(done):
    done.run(overrides=["training.learning_rate=2e-3"], table_only=True)
    assert cells(done, "SQ")[1] == "0 of 3"
    assert "7 runs of another configuration are left out" in (done.exp / "table.md").read_text()
    done.run(overrides=["training.learning_rate=2e-3"])
    assert len(done.calls()) == 14


def test_a_failed_run_is_named_with_its_last_line_and_the_rest_goes_on(comparison, monkeypatch, capsys):
    monkeypatch.setenv("FAIL", "ema/seed1")
    with pytest.raises(SystemExit, match="1 runs failed: ema seed 1"):
        comparison.run()
    out = capsys.readouterr().out
    assert "ema seed 1: failed: status 1, error: the loss is not finite" in out
    assert "evaluate ema/seed1" not in [call["call"] for call in comparison.calls()]
    assert cells(comparison, "EMA")[:3] == ["EMA", "2 of 3", "32.00 ± 2.83"]
    assert cells(comparison, "SQ")[1] == "3"


def test_progress_tells_each_run_and_what_is_left(done, capsys):
    for run in ("sq/seed0", "ema/seed2"):
        shutil.rmtree(done.exp / run)
    done.run(jobs=1)
    out = capsys.readouterr().out
    assert "7 runs, 5 of them done; 1 at a time" in out
    first, last = [line.partition("] ")[2] for line in out.splitlines() if line.startswith("[")]
    assert first.startswith("1/2 sq seed 0: MSE 30.00 dB², took 0:00:0")
    assert last.startswith("2/2 ema seed 2: MSE 34.00 dB²")
    assert last.endswith("about 0:00:00 left")


def test_figures_are_means_and_deviations_over_seeds(done):
    done.run(item=done.root / "phones.item")
    mse = [30.0, 31.0, 34.0]
    sq, ema, vae = done.rows("table.csv")
    assert float(sq["mse_db2_mean"]) == pytest.approx(statistics.mean(mse))
    assert float(sq["mse_db2_sd"]) == pytest.approx(statistics.stdev(mse))
    assert float(sq["dev_mse_db2_mean"]) == pytest.approx((70 + 60 + 50 + 40 + 30) / 5 + 1)
    assert float(ema["perplexity_mean"]) == pytest.approx(5.0)
    assert (vae["seeds"], vae["mse_db2_sd"], vae["perplexity_mean"]) == ("1", "", "")
    assert [float(row["mse_db2"]) for row in done.rows("runs.csv") if row["model"] == "sq"] == mse
    assert cells(done, "EMA")[2:7] == ["31.67 ± 2.08", "51.00 ± 1.00", "5.0 ± 1.0", "7.0 ± 0.0", "101.0 ± 1.0"]
    assert cells(done, "VAE")[1:6] == ["1", "30.00 ± —", "50.00 ± —", "—", "—"]
    assert "MFCC on the same items: ABX within 10.25 %, across 20.50 %." in (done.exp / "table.md").read_text()


def test_the_dev_error_is_the_mean_of_the_last_five_validations():
    assert dev_mse_db2({"dev_mse_db2": {30: 3.0, 10: 100.0, 60: 6.0, 20: 2.0, 40: 4.0, 50: 5.0}}) == 4.0
    assert dev_mse_db2({"dev_mse_db2": {10: 1.0, 20: 2.0}}) == 1.5


def test_a_partial_comparison_is_tabulated_and_drawn(drawn):
    shutil.rmtree(drawn.exp / "vae")
    (drawn.exp / "ema/seed0/metrics.json").unlink()
    drawn.run(dump=None, data=None, table_only=True)
    assert drawn.calls() == []
    assert cells(drawn, "SQ")[1:3] == ["3", "31.67 ± 2.08"]
    assert cells(drawn, "EMA")[1:3] == ["2 of 3", "32.50 ± 2.12"]
    assert cells(drawn, "VAE")[1:] == ["0 of 1", *["—"] * 7]
    assert sorted(path.name for path in drawn.exp.glob("*.png")) == ["annealing.png", "usage.png"]
    for path in drawn.exp.glob("*.png"):
        assert Image.open(path).convert("L").getextrema()[0] < 128


def test_a_family_of_several_codebook_sizes_is_drawn_against_them(drawn):
    sizes = {"sq": {}, "k8": {"quantizer.codebook_size": 8}}
    models = [{"name": name, "label": name, "family": "SQ", "set": changes} for name, changes in sizes.items()]
    drawn.table.write_text(yaml.safe_dump({"base": "base.yaml", "seeds": [0], "models": models}))
    drawn.run()
    assert (drawn.exp / "codebook_size.png").exists()


def test_nothing_done_yet_gives_an_empty_table(drawn):
    drawn.exp = drawn.root / "new"
    drawn.run(table_only=True)
    assert cells(drawn, "SQ")[1:] == ["0 of 3", *["—"] * 7]
    assert not list(drawn.exp.glob("*.png"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_lets_the_trainings_save_and_begins_nothing_more(comparison, number):
    command = [sys.executable, "-m", "benchmarks.compare", comparison.table, "--exp", comparison.exp]
    process = subprocess.Popen(
        [*command, "--dump", "dump", "--data", "data"],
        env=os.environ | {"SLOW": "1"},
        stderr=subprocess.PIPE,
        text=True,
        cwd=TABLES.parents[2],
    )
    while len(list(comparison.exp.glob("*/*/last.ckpt"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)  # the stand-in listens to signals a moment after it has written the checkpoint
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "run the same command to go on" in err
    logs = [path.read_text() for path in comparison.exp.glob("*/*/log.txt")]
    assert len(logs) == 2
    assert all("step saved" in log for log in logs)


@pytest.mark.parametrize(
    ("table", "overrides", "message"),
    [
        ("models: [", [], "not YAML"),
        ("- 1", [], "not a mapping"),
        (TABLE.replace("label: SQ", "title: SQ"), [], "models.0.label: Field required"),
        (TABLE.replace("name: ema", "name: sq"), [], "two models are named sq"),
        (TABLE.replace("name: ema", "name: ../ema"), [], "models.1.name"),
        (TABLE.replace("seeds: [0, 1, 2]", "seeds: []"), [], "seeds: "),
        (TABLE.replace("base.yaml", "absent.yaml"), [], "absent.yaml: cannot read"),
        (TABLE, ["steps=3"], "--set steps=3: expected section.key=value"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(comparison, table, overrides, message):
    comparison.table.write_text(table)
    with pytest.raises(TableError) as error:
        read_runs(comparison.table, comparison.exp, overrides)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_without_sqspeech_nothing_is_begun(comparison, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SystemExit, match="sqspeech: no such command"):
        comparison.run()
    assert not comparison.exp.exists()


@pytest.mark.parametrize("table", ["models", "codebook_size"])
def test_every_model_of_the_tables_is_a_valid_and_a_different_experiment(table, tmp_path):
    runs = read_runs(TABLES / f"{table}.yaml", tmp_path)
    configs = {run.model.name: ExperimentConfig.from_dict(run.config, run.name) for run in runs}
    assert len({str(config) for config in configs.values()}) == len(configs)
    base = yaml.safe_load((TABLES / "base.yaml").read_text())
    for run in runs:
        complete = configs[run.model.name].to_dict()
        assert {section: set(complete[section]) for section in base if section != "quantizer"} == {
            section: set(run.config[section]) for section in base if section != "quantizer"
        }
