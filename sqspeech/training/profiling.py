"""Where the time of a training step goes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from sqspeech.atomic import atomic_path

WARM_UP = 5
PARTS = ("data", "encoder", "quantizer", "decoder", "backward", "clip", "optimizer")
HEAVIEST = 10


def profile_steps(run_step: Callable[[], None], steps: int, exp: Path, device: torch.device) -> str:
    """Run some steps under torch's profiler after a warm-up.

    Writes `exp`/profile.json, a trace that chrome://tracing and Perfetto open, and returns a table: the parts of a
    step in ms and in per cent (in a CUDA graph there are no parts; run with --eager to see them), then the heaviest
    operations.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    # Two more warm-up steps are the profiler's own, which is slow while it starts.
    with profile(activities=activities, schedule=schedule(wait=WARM_UP, warmup=2, active=steps)) as profiler:
        for number in range(WARM_UP + 2 + steps):
            run_step()
            if on_gpu:
                torch.cuda.synchronize(device)
            if number + 1 < WARM_UP + 2 + steps:
                profiler.step()
    exp.mkdir(parents=True, exist_ok=True)
    with atomic_path(exp / "profile.json") as temporary:
        profiler.export_chrome_trace(str(temporary))
    averages = [event for event in profiler.key_averages() if not event.key.startswith("ProfilerStep")]
    return _table(averages, steps, on_gpu) + f"\n{exp / 'profile.json'}: the trace, for chrome://tracing or Perfetto"


def _table(averages: Sequence[Any], steps: int, on_gpu: bool) -> str:
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    whole = "device_time_total" if on_gpu else "cpu_time_total"
    operations = [event for event in averages if not event.key.startswith("sqspeech::")]
    total = sum(getattr(event, own) for event in operations) or 1.0
    parts = {event.key.removeprefix("sqspeech::"): getattr(event, whole) for event in averages}
    lines = [(name, parts[name]) for name in PARTS if name in parts]
    operations.sort(key=lambda event: getattr(event, own), reverse=True)
    lines += [(event.key, getattr(event, own)) for event in operations[:HEAVIEST]]
    texts = [f"{name[:48]:<48} {time / steps / 1000:10.3f} {100 * time / total:6.1f} %" for name, time in lines]
    header = f"{'part of a step, then the heaviest operations':<48} {'ms':>10} {'share':>8}"
    return "\n".join([header, *texts, f"{'whole':<48} {total / steps / 1000:10.3f} {100:6.1f} %"])
