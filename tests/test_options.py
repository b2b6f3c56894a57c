"""Options that commands share."""

import pytest
import torch

from sqspeech.cli.options import find_device
from sqspeech.errors import SqspeechError


@pytest.fixture
def two_gpus(monkeypatch):
    """Two GPUs as far as finding one goes; returns which was made the current one."""
    current, empty = [], torch.empty

    def set_device(device):
        assert device.index is not None  # torch refuses it
        current.append(str(device))

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.set_device", set_device)
    monkeypatch.setattr("torch.empty", lambda *size, device: empty(*size))
    return current


@pytest.mark.parametrize(("name", "shared", "found"), [
    ("auto", False, "cuda"), ("auto", True, "cpu"), ("cuda:1", False, "cuda:1"), ("cpu", True, "cpu"),
])  # fmt: skip
def test_a_gpu_becomes_the_current_device_and_several_workers_share_the_cpu(two_gpus, name, shared, found):
    assert str(find_device(name, shared=shared)) == found
    assert two_gpus == ([found] if ":" in found else [])


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(SqspeechError, match=rf"--device {name}: not available on this machine; `sqspeech doctor`"):
        find_device(name)


def test_tests_take_the_cpu_unless_they_name_a_device(monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from sqspeech import cli

    asked = []
    monkeypatch.setattr(
        "sqspeech.cli.evaluation.find_device", lambda name, shared: asked.append(name) or torch.device("cpu")
    )
    CliRunner().invoke(cli.app, ["evaluate", str(tmp_path / "no.ckpt"), str(tmp_path), "-o", "x"])
    assert asked == ["cpu"]
