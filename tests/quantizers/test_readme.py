"""The examples of the quantisers' README run as they stand."""

import re
from pathlib import Path

import pytest
import torch

import sqspeech.quantizers

README = Path(sqspeech.quantizers.__file__).with_name("README.md")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {i}" for i in range(1, len(BLOCKS) + 1)])
def test_example_runs(block):
    torch.manual_seed(0)
    exec(compile(block, README.name, "exec"), {})


def test_there_are_examples_of_every_quantiser():
    assert len(BLOCKS) >= 3
    for name in ("GaussianSQ", "VmfSQ", "VqEma", "GaussianVae", "FSQ", "SimVQ", "Residual"):
        assert any(f"{name}(" in block for block in BLOCKS)
