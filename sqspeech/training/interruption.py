"""Signals that end a training between two steps, and never inside one."""

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType

from sqspeech.errors import SqspeechError

# SIGUSR1 is what Slurm is asked to send before it takes the machine away (`sbatch --signal=USR1@120`).
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# EX_TEMPFAIL of sysexits.h: nothing is wrong, try again.
EXIT_STATUS = 75


class Stopped(SqspeechError):  # noqa: N818 (a stop is no error)
    """A training that was asked to end, and can be continued."""

    def __init__(self, exp: Path, step: int, number: signal.Signals) -> None:
        super().__init__(
            f"{exp}: stopped by {number.name} after step {step}; last.ckpt is written, run the same command to go on"
        )


class Interruption:
    """Inside its `with` block a signal only sets `requested`; a second Ctrl-C acts as usual.

    A step that is cut in half would leave weights, optimizer and step count of different steps. Schedulers send
    their signals more than once, so only Ctrl-C is taken at its second word. Outside the main thread, which alone
    may handle signals, nothing is changed.

    Attributes
    ----------
    requested
        The signal that came first, or None.
    """

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._usual = {number: signal.signal(number, self._note) for number in SIGNALS}
        else:
            self._usual = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = self.requested or signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(number, self._usual[signal.SIGINT])
