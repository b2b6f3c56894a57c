"""A process that works for the page: it can be stopped at any moment, and its end is not that of the page."""

import multiprocessing
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from sqspeech.corpus import DIED
from sqspeech.corpus.processes import deaf_to_interrupts
from sqspeech.errors import SqspeechError
from sqspeech.progress import Listener
from sqspeech.web.orders import Assignment

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

    import torch

# Returned in place of the sentence of an error that is nobody's but the program's.
FAULT = "a fault of the program, which is printed where the page was started"


class StoppedError(Exception):
    """The work was stopped by `Worker.stop`."""


class Worker:
    """One process, with the models that it has loaded; made anew after a stop.

    Parameters
    ----------
    find_device
        Gives the device of the models, in the process.
    """

    def __init__(self, find_device: "Callable[[], torch.device]") -> None:
        self._find_device = find_device
        self._process: ForkServerProcess | None = None
        self._connection: Connection | None = None
        self._stopped = False

    def do(self, assignment: Assignment, listener: Listener = lambda *of: None) -> dict[str, Any]:
        """Return the result of an assignment; `listener` is told the progress.

        Raises
        ------
        SqspeechError
            Nothing came of it, or the process died.
        StoppedError
            It was stopped.
        """
        self._stopped = False
        connection = self._started()
        try:
            connection.send(assignment)
            while True:
                kind, *values = connection.recv()
                if kind == "done":
                    result: dict[str, Any] = values[0]
                    return result
                if kind == "failed":
                    raise SqspeechError(values[0])
                listener(*values)
        except (EOFError, OSError):
            self.end()
            if self._stopped:
                raise StoppedError from None
            raise SqspeechError(DIED) from None

    def stop(self) -> None:
        """End the work that `do` waits for."""
        self._stopped = True
        if self._process:
            self._process.kill()
            self._process.join()

    def end(self) -> None:
        """End the process."""
        if self._process and self._connection:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = None

    def _started(self) -> Connection:
        if self._process and self._connection and self._process.is_alive():
            return self._connection
        self.end()
        # See `sqspeech.corpus.processes`: a copy of a process without threads, which has imported what is needed.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sqspeech.web.work"])
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, self._find_device), daemon=True)
        with deaf_to_interrupts():
            self._process.start()
        other.close()
        return self._connection


def _work(connection: Connection, find_device: "Callable[[], torch.device]") -> None:
    """Do assignments until the page ends."""
    from sqspeech.web.work import Work

    with suppress(EOFError, OSError):
        work = None
        while True:
            assignment = connection.recv()
            answer: tuple[str, object]
            try:
                work = work or Work(find_device)
                answer = "done", work(assignment, lambda *of: connection.send(("progress", *of)))
            except SqspeechError as error:
                answer = "failed", str(error)
            except OSError:
                raise
            except Exception:
                traceback.print_exc(file=sys.stderr)
                answer = "failed", FAULT
            connection.send(answer)
