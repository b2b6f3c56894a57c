"""Shapes in the public signatures are checked while tests run, and torch uses one thread per process."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

TENSOR_MODULES = ["features", "quantizers", "models", "vocoders", "data.crops", "checkpoint", "conversion"]
install_import_hook([f"sqspeech.{name}" for name in TENSOR_MODULES], "beartype.beartype")
torch.set_num_threads(1)

SPEECH = Path(__file__).resolve().parents[1] / "../shared/speech"


@pytest.fixture(scope="session")
def speech() -> Path:
    """Folder of real recordings; the test is skipped where there is none."""
    if not SPEECH.is_dir():
        pytest.skip("no real recordings beside the repository")
    return SPEECH
