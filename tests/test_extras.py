"""An installation without the optional packages: what works there, and what says which extra it lacks."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sqspeech.errors import SqspeechError
from sqspeech.extras import extras_of, missing_extra_named, requirements

# In one process, as importing torch takes most of the time: {name: [module, argument, ...]} to {name: [status, output]}.
RUN = """
import contextlib, io, json, runpy, sys

absent, commands = json.load(sys.stdin)
sys.modules.update(dict.fromkeys(absent))  # as if they were not installed
outcomes = {}
for name, (module, *arguments) in commands.items():
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
# The names by which the packages of all extras for users are imported.
OPTIONAL = [
    *("fastabx", "jinja2", "librosa", "matplotlib", "PIL", "scipy", "sklearn", "torchdtw", "polars"),
    *("tensorboard", "onnx", "espeakng_loader", "requests", "numba", "pandas", "pyarrow"),
]
# command -> the extra that it lacks
LACKING = {
    "train": "train",
    "evaluate": "eval",
    "evaluate-units": "eval",
    "report": "eval",
    "export": "export",
    "units --format parquet": "parquet",
    "data_prep.download": "data",
    "data_prep.mini": "data",
    "data_prep.vctk": "data",
}
WORKING = ["features", "validate", "convert", "units", "enroll", "speakers", "recipes", "doctor", "data_prep.folder"]


@pytest.fixture(scope="module")
def outcomes(experiment, vctk_folder, tmp_path_factory) -> dict[str, tuple[int, str]]:
    out, root = tmp_path_factory.mktemp("bare"), experiment.root
    config, checkpoint, data = f"{root}/c.yaml", str(experiment.checkpoint), f"{root}/corpus/dev"
    wav = str(next(path for path in root.rglob("*.wav")))
    sqspeech = {
        "train": [f"{root}/dump", f"{out}/exp", "--config", config],
        "evaluate": [checkpoint, data, "-o", f"{out}/m.json"],
        "evaluate-units": [f"{out}/u", "--data", data, "-o", f"{out}/u.json"],
        "report": [str(checkpoint.rpartition("/")[0]), "-o", f"{out}/r.html"],
        "export": [checkpoint, "-o", f"{out}/m.onnx"],
        "units --format parquet": [checkpoint, wav, "-o", f"{out}/p", "--format", "parquet"],
        "features": [data, f"{out}/dump", "--config", config],
        "validate": [data],
        "convert": [checkpoint, wav, "--to", "f1", "-o", f"{out}/converted"],
        "units": [checkpoint, wav, "-o", f"{out}/u"],
        "enroll": [checkpoint, f"{root}/corpus/train", "--name", "me", "-o", f"{out}/me.ckpt"],
        "speakers": [checkpoint],
        "recipes": ["mini", f"{out}/recipes"],
        "doctor": [],
    }
    commands = {name: ["sqspeech.cli", name.partition(" ")[0], *given] for name, given in sqspeech.items()} | {
        "data_prep.download": ["data_prep.download", "vctk", "--cache", f"{out}/cache"],
        "data_prep.mini": ["data_prep.mini", f"{out}/mini"],
        "data_prep.vctk": ["data_prep.vctk", str(vctk_folder), f"{out}/vctk"],
        "data_prep.folder": ["data_prep.folder", str(Path(wav).parent), f"{out}/folder"],
    }
    process = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps([OPTIONAL, commands]), capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])
