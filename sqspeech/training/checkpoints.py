"""The checkpoints of an experiment: written while training goes on, and read back whatever happened."""

import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sqspeech.atomic import atomic_path
from sqspeech.checkpoint import read_checkpoint, write_content
from sqspeech.errors import CheckpointError, SqspeechError


class Checkpoints:
    """last.ckpt, previous.ckpt, best.ckpt and step-N.ckpt in an experiment directory.

    `save` copies what it is given and returns; a thread writes it. At every instant at least one whole checkpoint
    lies in the folder once one has been written.

    Parameters
    ----------
    exp
        The experiment directory.
    keep_every
        Of each step that is a multiple of it, step-N.ckpt is kept.
    keep
        How many of these, the newest.
    seconds
        The time after a checkpoint in which no other is due.
    """

    def __init__(self, exp: Path, *, keep_every: int, keep: int, seconds: float = 0.0) -> None:
        self.exp, self.keep_every, self.keep, self.seconds = exp, keep_every, keep, seconds
        self._saved = -math.inf
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._pending: Future[None] | None = None
        self._last: int | None = None

    def due(self) -> bool:
        """Return whether the last one was saved long enough ago."""
        return time.monotonic() - self._saved >= self.seconds

    def keeps(self, step: int) -> bool:
        """Return whether the checkpoint of a step stays as step-N.ckpt."""
        return step > 0 and step % self.keep_every == 0 and self.keep > 0

    def save(self, content: Mapping[str, Any], *, best: bool) -> None:
        """Write a checkpoint, as best.ckpt too if it is; waits only while the one before is still being written.

        Raises
        ------
        SqspeechError
            The one before could not be written.
        """
        self.wait()
        self._saved = time.monotonic()
        self._pending = self._writer.submit(self._write, _copy(content), best)

    def wait(self) -> None:
        """Wait until what was saved is on disk; a SqspeechError if it could not be written."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def check(self) -> None:
        """Raise the SqspeechError of a checkpoint that could not be written, without waiting."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the newest content that can be read with its `path`, or None in a new experiment.

        A damaged checkpoint is named on standard error, with the one that is used instead.

        Raises
        ------
        CheckpointError
            There are checkpoints, and all are damaged.
        """
        names = ["last.ckpt", "previous.ckpt", *(path.name for path in reversed(self._kept())), "best.ckpt"]
        paths = [self.exp / name for name in names if (self.exp / name).exists()]
        faults: list[str] = []
        for path in paths:
            try:
                content = read_checkpoint(path, device)
            except CheckpointError as error:
                faults.append(str(error))
                continue
            self._last = content["training"]["step"]
            if path.name != "last.ckpt":
                why = "; ".join(faults) or f"{self.exp / 'last.ckpt'} is missing"
                print(f"warning: {why}; going on from {path.name} of step {self._last}", file=sys.stderr)
            return content | {"path": path}
        if faults:
            raise CheckpointError(f"{'; '.join(faults)}; no other checkpoint is left, train in another folder")
        return None

    def _write(self, content: Mapping[str, Any], best: bool) -> None:
        step = content["training"]["step"]
        last = self.exp / "last.ckpt"
        try:
            with atomic_path(last) as temporary:
                write_content(temporary, content)
                if last.exists():
                    _link(last, self.exp / "previous.ckpt")
                # Before last.ckpt gets its name: who is killed here comes to this step again.
                if best:
                    _link(temporary, self.exp / "best.ckpt")
                if self.keeps(step):
                    _link(temporary, self.exp / f"step-{step}.ckpt")
        except SqspeechError as error:
            left = f"the checkpoint of step {self._last} is whole" if self._last is not None else "there is none before"
            raise SqspeechError(f"{error}; of step {step}, {left}; then run the same command again") from None
        self._last = step
        for path in self._kept()[: -self.keep or None]:
            path.unlink(missing_ok=True)

    def _kept(self) -> list[Path]:
        found = [path for path in self.exp.glob("step-*.ckpt") if path.stem.removeprefix("step-").isdigit()]
        return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def remove_torn(exp: Path) -> None:
    """Remove the temporary files of trainings that were killed while they wrote."""
    for path in exp.glob(".tmp-*"):
        with suppress(OSError):
            path.unlink()


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {name: _copy(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copy(item) for item in value)
    return value


def _link(source: Path, path: Path) -> None:
    # The same bytes under another name at no cost; some file systems know no links.
    with atomic_path(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
