"""Log of a training: metrics.jsonl, TensorBoard, a progress line."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from sqspeech.atomic import write_text
from sqspeech.progress import progress_bar

# The least time between two looks of the bar at the step count, in seconds.
REFRESH = 0.1


class TrainingLog:
    """Every report is a line of metrics.jsonl, a point in TensorBoard and part of the progress line.

    Where standard error is no terminal, each report on dev is a line of text there instead of a bar.

    Parameters
    ----------
    exp
        The experiment directory.
    steps, first
        The length of the training, and the step it goes on from.
    shown
        The values that the progress line shows where there are any, with the format of each.
    quiet
        Write and show nothing: another process does.
    """

    def __init__(self, exp: Path, *, steps: int, first: int, shown: Mapping[str, str], quiet: bool = False) -> None:
        self.exp, self.steps, self.quiet = exp, steps, quiet
        self.step = first
        self._formats = {"steps_per_second": "{:.3g} steps/s", **shown}
        self._shown: dict[str, float] = {}
        self._refreshed = 0.0

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        if not self.quiet:
            self._bar = self._stack.enter_context(progress_bar())
            self._board = self._stack.enter_context(
                SummaryWriter(str(self.exp / "tensorboard"), purge_step=self.step + 1)
            )
            self._file = self._stack.enter_context((self.exp / "metrics.jsonl").open("a", encoding="utf-8"))
            self._task = self._bar.add_task("training", total=self.steps, completed=self.step, status="")
        self._since, self._counted = time.perf_counter(), self.step
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def advance(self) -> None:
        """Count one more step."""
        self.step += 1
        now = time.perf_counter()
        if not self.quiet and now - self._refreshed > REFRESH:
            self._bar.update(self._task, completed=self.step)
            self._refreshed = now

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the time inside the block out of the steps per second."""
        start = time.perf_counter()
        yield
        self._since += time.perf_counter() - start

    def train(self, values: Mapping[str, float]) -> None:
        """Report means over the steps since the last report; `steps_per_second` is added."""
        seconds = time.perf_counter() - self._since
        speed = (self.step - self._counted) / seconds if seconds > 0 else math.nan
        self._since, self._counted = time.perf_counter(), self.step
        self._report("train", {**values, "steps_per_second": speed})

    def dev(self, values: Mapping[str, float]) -> None:
        """Report measures on dev."""
        self._report("dev", values)
        if not self.quiet and not self._bar.console.is_terminal:
            left = ""
            if speed := self._shown.get("steps_per_second"):
                left = f", {timedelta(seconds=round((self.steps - self.step) / speed))} left"
            print(f"step {self.step} of {self.steps}{left}: {self._status()}", file=sys.stderr)

    def warn(self, text: str) -> None:
        """Report a warning in words, above the bar and in metrics.jsonl."""
        if not self.quiet:
            self._bar.console.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)
            self._write({"warning": text})

    def _report(self, group: str, values: Mapping[str, float]) -> None:
        if self.quiet:
            return
        self._write(values)
        for name, value in values.items():
            self._board.add_scalar(f"{group}/{name}", value, self.step)
        self._shown |= values
        self._bar.update(self._task, completed=self.step, status=self._status())

    def _status(self) -> str:
        return " ".join(text.format(self._shown[name]) for name, text in self._formats.items() if name in self._shown)

    def _write(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps({"step": self.step, **values}) + "\n")
        self._file.flush()


def cut_log(path: Path, step: int) -> None:
    """Drop what was logged after the step of a checkpoint, which is logged again, and a torn last line."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    write_text(path, "".join(kept))
