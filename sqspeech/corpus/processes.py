"""Workers that are processes of this machine."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from sqspeech.corpus.runner import Workers

# Enough that a long recording does not idle the others, few enough that results never pile up.
WAITING_PER_JOB = 4
# In seconds, what sending a result may take when its reader leaves.
GRACE = 3.0


@dataclass(frozen=True)
class Processes(Workers):
    """Fresh processes of this machine, each with one thread, which end with whoever started them.

    It is the standard library's pool, made anew where a process has died. Two libraries were tried in its place, with
    workers that are killed by signal 9: loky 3.7 fails every item under way, as the standard library does, and
    pebble 5.2 fails only the item, but all later ones once an idle worker is killed, and waits forever for one that is
    killed while it sends a result.
    """

    jobs: int = 1
    deaths: ClassVar[tuple[type[BaseException], ...]] = (BrokenProcessPool,)

    def look_ahead(self) -> int:
        """Return how many items may be under way or wait for their turn."""
        return WAITING_PER_JOB * self.jobs

    @contextmanager
    def start[T, R](self, function: Callable[[T], R]) -> Iterator[Callable[[T], Future[R]]]:
        """Start processes when items are submitted; on leaving, what is under way is dropped."""
        # A fork of this process would copy the locks of torch's threads. The fork server has no threads: it imports
        # what the function needs once, which takes seconds for torch, and each process starts as a copy of it.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([function.__module__])
        reader, writer = context.Pipe(duplex=False)
        arguments = reader, pickle.dumps(function)
        pool = _Pool(lambda: ProcessPoolExecutor(self.jobs, context, initializer=_start, initargs=arguments))
        with reader:
            try:
                yield pool.submit
            except BaseException:
                writer.close()
                raise
            finally:
                pool.executor.shutdown(cancel_futures=True)
                writer.close()


class _Pool:
    """A process pool, made anew when an item is submitted to a broken one."""

    def __init__(self, make: Callable[[], ProcessPoolExecutor]) -> None:
        self._make = make
        self.executor = make()

    def submit(self, item: Any) -> Future[Any]:
        with deaf_to_interrupts():
            try:
                return self.executor.submit(_call, item)
            except BrokenProcessPool:
                self.executor.shutdown()
                self.executor = self._make()
                return self.executor.submit(_call, item)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let the processes that are started inside never receive Ctrl-C, from their first moment.

    Ctrl-C reaches the whole group, and the parent alone decides what it means. Here it waits: ignored, it would be lost
    in the seconds that the fork server takes to begin.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # When it is started, it lets interrupts through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker: the function that was given to `start`, and a lock that is held outside of it, while a result is sent or
# an item awaited.
_function: Callable[[Any], Any]
_outside = threading.Lock()


def _start(caller: Connection, pickled: bytes) -> None:
    global _function
    _outside.acquire()
    threading.Thread(target=_end_with, args=[caller], daemon=True).start()
    _function = pickle.loads(pickled)  # noqa: S301 (from the parent)
    use_one_thread()


def _end_with(caller: Connection) -> None:
    """End this process when `caller` is closed at the other end: its owner leaves before the end, or is killed.

    Not while a result is sent: the owner would wait for the rest of it forever. A process that waits for an item ends
    by itself, unless its owner was killed.
    """
    caller.poll(None)
    _outside.acquire(timeout=GRACE)
    os._exit(1)


def _call(item: Any) -> Any:
    _outside.release()
    try:
        return _function(item)
    finally:
        _outside.acquire()


def use_one_thread() -> None:
    """Let torch, where it is imported, compute with one thread: the others have workers, and the last bit is fixed."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
