"""Profile of a training step."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from sqspeech.atomic import atomic_path

WARM_UP = 5
# Ranges of `record_function` whose names begin so are the parts of a step; none may lie in another.
PREFIX = "sqspeech::"
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
    plan = schedule(wait=WARM_UP, warmup=2, active=steps)
    with profile(activities=activities, schedule=plan, acc_events=True) as profiler:
        for number in range(WARM_UP + 2 + steps):
            run_step()
            if on_gpu:
                torch.cuda.synchronize(device)
            if number + 1 < WARM_UP + 2 + steps:
                profiler.step()
    exp.mkdir(parents=True, exist_ok=True)
    with atomic_path(exp / "profile.json") as temporary:
        profiler.export_chrome_trace(str(temporary))
    table = _table(profiler.key_averages(), steps, on_gpu)
    return f"{table}\n{exp / 'profile.json'}: the trace, for chrome://tracing or Perfetto"


def parts_on_cpu(events: Sequence[Any], wall: float) -> dict[str, float]:
    """Return the microseconds of each part; `other` is what is left of `wall`."""
    found = {_name(event): event.cpu_time_total for event in events if event.key.startswith(PREFIX)}
    return found | {"other": wall - sum(found.values())}


def parts_on_gpu(events: Sequence[Any]) -> dict[str, float]:
    """Return the microseconds of the kernels that each part launches; `other` is those of none."""
    called = [event for event in events if event.device_type.name == "CPU"]
    found = {_name(event): event.device_time_total for event in called if event.key.startswith(PREFIX)}
    if "backward" in found:
        # Autograd launches backward's kernels from a thread of its own, which the part's range does not cover.
        found["backward"] = sum(
            event.device_time_total for event in called if event.key.startswith("autograd::engine::evaluate_function")
        )
    kernels = sum(event.self_device_time_total for event in _kernels(events))
    return found | {"other": kernels - sum(found.values())}


def _name(event: Any) -> str:
    return str(event.key).removeprefix(PREFIX)


def _kernels(events: Sequence[Any]) -> list[Any]:
    return [event for event in events if event.device_type.name == "CUDA" and not event.is_user_annotation]


def _table(events: Sequence[Any], steps: int, on_gpu: bool) -> str:
    wall = sum(event.cpu_time_total for event in events if event.key.startswith("ProfilerStep"))
    parts = parts_on_gpu(events) if on_gpu else parts_on_cpu(events, wall)
    total = sum(parts.values()) or 1.0
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    ours = (PREFIX, "ProfilerStep")
    operations = _kernels(events) if on_gpu else [event for event in events if not event.key.startswith(ours)]
    operations.sort(key=lambda event: getattr(event, own), reverse=True)
    heaviest = [(event.key, getattr(event, own)) for event in operations[:HEAVIEST]]
    lines = [("part of a step", *parts.items()), ("heaviest operations", *heaviest)]
    texts = []
    for header, *rows in lines:
        texts.append(f"{header:<48} {'ms':>10} {'share':>8}")
        texts += [f"{name[:48]:<48} {time / steps / 1000:10.3f} {100 * time / total:6.1f} %" for name, time in rows]
    return "\n".join([*texts, f"{'whole step':<48} {total / steps / 1000:10.3f} {100:6.1f} %"])
