"""Tools of all benchmarks: a process per measurement, time, peak memory, the machine's ceilings, a table.

Each measurement is a process of its own, so that its peak memory is its own. Peak memory is that of the first full
call, above what the process holds once a small call has loaded the libraries and started the threads. It is read from
/proc: this needs Linux.
"""

import os
import platform
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table

# Threads that spin while they wait cost tens of times their work where something else runs beside them.
QUIET_THREADS = {"OMP_WAIT_POLICY": "passive"}
# Between two looks at the memory, in seconds.
INTERVAL = 0.01
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Measured rates of the device: fp32 flops and bytes a second."""

    flops: float
    bandwidth: float

    def __str__(self) -> str:
        return f"{self.flops / 1e9:.0f} GFLOP/s fp32, {self.bandwidth / 1e9:.0f} GB/s copy"

    def least_seconds(self, flops: float, moved: float) -> float:
        """Return the least time for so many operations and bytes moved."""
        return max(flops / self.flops, moved / self.bandwidth)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of a call, and the bytes at its peak."""

    seconds: float
    peak: float


def in_own_process[*Ts, R](function: Callable[[*Ts], R], *arguments: *Ts, **variables: str) -> R:
    """Return the function's result in a new process with these environment variables."""
    with (
        patch.dict(os.environ, QUIET_THREADS | variables),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(function, *arguments).result()


def measure_cost(warm_up: Callable[[], Any], run: Callable[[], Any], device: str) -> Cost:
    """Run for about a second in this process; the median of the times and the peak memory."""
    warm_up()
    resting = reset_peak(device)
    run()
    peak = peak_bytes(device) - resting
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 1 and len(seconds) < 100):
        seconds.append(timed(run, device))
    return Cost(seconds=statistics.median(seconds), peak=max(peak, PAGE))


def median_cost(costs: list[Cost]) -> Cost:
    return Cost(
        seconds=statistics.median(cost.seconds for cost in costs), peak=statistics.median(cost.peak for cost in costs)
    )


def timed(run: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def cpu_seconds(rounds: int, sides: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]]) -> dict[str, float]:
    """Call each function with its items, in turn with the others; the least CPU time of a turn."""
    turns: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, (function, items) in sides.items():
            start = time.process_time()
            for item in items:
                function(item)
            turns[name].append(time.process_time() - start)
    return {name: min(seconds) for name, seconds in turns.items()}


def peak_bytes(device: str, pid: int | None = None) -> int:
    """Return the most that this process, or the one with this id, has held so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid or 'self'}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that this one has started, and of those that they have, and so on."""
    try:
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return []
    children = [int(child) for text in lists for child in text.split()]
    return [*children, *(process for child in children for process in descendants(child))]


@contextmanager
def watching(held: list[int]) -> Iterator[None]:
    """Append what the process holds of its own (no pages of files) until the block ends."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(INTERVAL):
            held.append(own_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def own_bytes() -> int:
    """Return the anonymous memory of this process."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def reset_peak(device: str) -> int:
    """Forget the highest memory so far and return the present one."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes(device)


def measure_ceilings(device: str) -> Ceilings:
    """Return the rates of an fp32 matrix product and of a copy."""
    size = 8192 if device == "cuda" else 2048
    a, b, source = torch.rand(size, size, device=device), torch.rand(size, size, device=device), torch.rand(2**26)
    source, target = source.to(device), torch.empty_like(source, device=device)
    product = statistics.median(timed(lambda: a @ b, device) for _ in range(7))
    copy = statistics.median(timed(lambda: target.copy_(source), device) for _ in range(7))
    return Ceilings(flops=2 * size**3 / product, bandwidth=2 * source.nbytes / copy)


def describe_machine() -> dict[str, Any]:
    return {"threads": torch.get_num_threads(), "torch": torch.__version__, "system": platform.platform()}


def print_table(title: str, header: tuple[str, ...], lines: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index else "left")
    for line in lines:
        table.add_row(*line)
    Console(width=120).print(table)
