"""The profile of a step, from events whose sums are known and from a real step."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from torch.autograd.profiler import DeviceType

from sqspeech.training.profiling import parts_on_cpu, parts_on_gpu

PARTS = ("data", "encoder", "quantizer", "decoder", "backward", "clip", "optimizer")


def test_kernels_count_once_and_backward_by_its_own_thread():
    def event(key: str, device_type: DeviceType, total: float, own: float, annotation: bool = False) -> SimpleNamespace:
        return SimpleNamespace(
            key=key,
            device_type=device_type,
            device_time_total=total,
            self_device_time_total=own,
            is_user_annotation=annotation,
        )

    events = [
        event("sqspeech::encoder", DeviceType.CPU, 3, 0, True),
        event("sqspeech::encoder", DeviceType.CUDA, 9, 9, True),
        event("aten::conv1d", DeviceType.CPU, 3, 3),
        event("conv_kernel", DeviceType.CUDA, 3, 3),
        event("sqspeech::backward", DeviceType.CPU, 0, 0, True),
        event("autograd::engine::evaluate_function: ConvolutionBackward0", DeviceType.CPU, 5, 0),
        event("ConvolutionBackward0", DeviceType.CPU, 5, 0),
        event("backward_kernel", DeviceType.CUDA, 5, 5),
        event("sum_kernel", DeviceType.CUDA, 1, 1),
    ]
    found = {name: time for name, time in parts_on_gpu(events).items() if time}
    assert found == {"encoder": 3, "backward": 5, "other": 1}


def test_what_no_part_took_is_other():
    events = [SimpleNamespace(key=f"sqspeech::{name}", cpu_time_total=10.0) for name in ("encoder", "backward")]
    found = {name: time for name, time in parts_on_cpu(events, wall=25.0).items() if time}
    assert found == {"encoder": 10.0, "backward": 10.0, "other": 5.0}


def test_the_command_prints_the_parts_and_writes_a_trace(experiment, tmp_path):
    arguments = [experiment.root / "dump", tmp_path, "--config", experiment.root / "c.yaml", "--profile", "2"]
    command = [sys.executable, "-m", "sqspeech.cli", "train", *map(str, arguments), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    rows = {name: (float(ms), float(share)) for name, ms, share in
            re.findall(r"^(\S.*?) +(\d+\.\d+) +(\d+\.\d+) %$", done.stderr, re.MULTILINE)}  # fmt: skip
    parts = [rows[name] for name in (*PARTS, "other")]
    assert sum(ms for ms, _ in parts) == pytest.approx(rows["whole step"][0], rel=0.02)
    assert sum(share for _, share in parts) == pytest.approx(100, abs=1)
    names = {event.get("name") for event in json.loads((tmp_path / "profile.json").read_text())["traceEvents"]}
    assert {f"sqspeech::{part}" for part in PARTS} <= names
    assert not list(tmp_path.glob("*.ckpt")), "the profiled steps are not kept"
