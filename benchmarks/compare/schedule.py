"""Train and evaluate runs, several at a time."""

import asyncio
import math
import os
import shlex
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml

from benchmarks.compare.configuration import TableError
from benchmarks.compare.run import Run


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Settings that all runs share: the features, the test set, its ABX items, the device."""

    dump: Path
    data: Path
    item: Path | None
    device: str

    def commands(self, run: Run) -> list[list[str]]:
        """Return the commands that are left to do of a run."""
        train = ["train", str(self.dump), str(run.folder), "--config", str(run.config_path)]
        train += ["--set", f"training.seed={run.seed}"]
        evaluate = ["evaluate", str(run.checkpoint), str(self.data), "-o", str(run.metrics_path)]
        evaluate += ["--item", str(self.item)] if self.item else []
        left = [evaluate] if run.is_trained() else [train, evaluate]
        return [["sqspeech", *command, "--device", self.device] for command in left]


class Schedule:
    """Runs to do, `jobs` at a time, with a line on standard output for each that ends.

    Parameters
    ----------
    runs
        The runs of a comparison; those that are done are skipped.
    inputs
        Their common inputs.
    jobs
        How many run at once; they share the cores.

    Raises
    ------
    TableError
        There is no `sqspeech` to call.
    """

    def __init__(self, runs: Sequence[Run], inputs: Inputs, jobs: int) -> None:
        self.inputs, self.jobs = inputs, jobs
        self.to_do = [run for run in runs if not run.is_done(with_abx=inputs.item is not None)]
        self.durations: list[float] = []
        self.failed: list[str] = []
        # The command beside this very interpreter serves where no environment is active.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        if shutil.which("sqspeech", path=path) is None:
            raise TableError("sqspeech: no such command; activate the environment that it is installed in")
        threads = max(1, (os.cpu_count() or 1) // jobs)
        self.environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
        print(f"{len(runs)} runs, {len(runs) - len(self.to_do)} of them done; {jobs} at a time", flush=True)

    async def run(self) -> None:
        """Do what is to do. On Ctrl-C or SIGTERM each training ends its step and writes a checkpoint."""
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        for run in self.to_do:  # before any begins: the seeds of a model share the file
            run.folder.mkdir(parents=True, exist_ok=True)
            run.config_path.write_text(yaml.safe_dump(run.config, sort_keys=False), encoding="utf-8")
        slots = asyncio.Semaphore(self.jobs)
        async with asyncio.TaskGroup() as group:
            for run in self.to_do:
                group.create_task(self._run_one(run, slots))

    async def _run_one(self, run: Run, slots: asyncio.Semaphore) -> None:
        async with slots:
            began = time.monotonic()
            log, error = run.folder / "log.txt", None
            for command in self.inputs.commands(run):
                error = error or await _execute(command, log, self.environment)
            self._tell(run, time.monotonic() - began, f"failed: {error} ({log})" if error else None)

    def _tell(self, run: Run, seconds: float, failure: str | None) -> None:
        self.durations.append(seconds)
        self.failed += [run.name] if failure else []
        count, total = len(self.durations), len(self.to_do)
        left = statistics.mean(self.durations) * (total - count) / self.jobs
        outcome = failure or f"MSE {run.metrics().get('mse_db2', math.nan):.2f} dB²"
        print(
            f"[{time.strftime('%H:%M:%S')}] {count}/{total} {run.name}: {outcome}, took {_clock(seconds)}; "
            f"about {_clock(left)} left",
            flush=True,
        )


async def _execute(command: list[str], log: Path, environment: dict[str, str]) -> str | None:
    """Run a command, its output appended to `log`; return why it failed, None where it did not."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {shlex.join(command)}\n")
        file.flush()
        # In a session of its own: a Ctrl-C reaches it through terminate() alone, because the second signal
        # that a training receives cuts its step in half.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=file, stderr=asyncio.subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return f"status {status}, {next(line for line in reversed(lines) if line.strip())}" if status else None


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
