"""Every use of a model on a GPU: with its numbers where there is one, and the host's side of it where there is none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gpu.scenarios import scenarios

HERE = Path(__file__).parent
# Codes are equal; the rest differs by rounding, which optimisation enlarges.
CLOSE = {"codes": 0, "enrolment": 2e-2}
# On the unit sphere, to which vMF projects them, codewords of an untrained model can tie as far as rounding tells.
TIED = 5e-2
SHIM = Path(__file__).resolve().parents[2] / "../shared/gpu/shim/run.sh"


@pytest.mark.gpu
def test_a_gpu_gives_the_numbers_of_the_cpu(tmp_path):
    wrong = []
    for name, work in scenarios(tmp_path):
        expected, found = (work(torch.device(device)) for device in ("cpu", "cuda"))
        for key, values in expected.items():
            close = CLOSE.get(name.split(",")[0] if "enrol" in name else key.split()[0], 1e-3)
            close = TIED if "vmf_sq" in name and key == "dev_perplexity" else close
            if not np.allclose(found[key], values, rtol=close, atol=close * np.abs(values).max()):
                wrong.append(f"{name}, {key}: {np.abs(found[key] - values).max()}")
    assert wrong == []


def on_pretended_gpu(script: str, folder: Path) -> list[str]:
    """Run a script of this folder and return its lines."""
    command = [SHIM, "--venv", sys.prefix, HERE / script]
    environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd=folder, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


needs_shim = pytest.mark.skipif(
    not (SHIM.exists() and shutil.which("g++")), reason="no library here that pretends to be a GPU"
)


@needs_shim
def test_the_host_gets_through_on_a_gpu(tmp_path):
    lines = [line.rpartition(": ") for line in on_pretended_gpu("host_side.py", tmp_path)]
    assert [name for name, *_ in lines] == [name for name, _ in scenarios(tmp_path)]
    assert all(re.fullmatch(r"[1-9]\d* kernels, \d+ waits", how) for *_, how in lines)


@needs_shim
def test_each_phase_of_two_optimizers_becomes_a_graph(tmp_path):
    wanted = ["device: 2 graphs, 4 launched, 0 faults", "host: 2 graphs, 4 launched, 0 faults"]
    assert on_pretended_gpu("two_optimizers.py", tmp_path) == wanted


@needs_shim
def test_the_phase_with_a_discriminator_becomes_a_graph(tmp_path):
    lines = on_pretended_gpu("adversarial_phase.py", tmp_path)
    assert len(lines) == 6
    assert all(line.endswith(": 2 graphs, 6 launched, 0 faults") for line in lines)
