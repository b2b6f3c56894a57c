"""Workers of a Dask cluster, which see every file under the path that it has here."""

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, ClassVar
from uuid import uuid4

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker

from sqspeech.corpus.processes import use_one_thread
from sqspeech.corpus.runner import Workers
from sqspeech.errors import SqspeechError

# In seconds: until an address counts as one that nobody answers, and between two looks at how many workers there are.
TIMEOUT, RECOUNT = 10, 2.0
WAITING_PER_THREAD = 4


@contextmanager
def connect(address: str) -> Iterator["Cluster"]:
    """Yield the cluster of a scheduler's address (tcp://host:port), or of the file that the scheduler writes.

    Raises
    ------
    SqspeechError
        There is no such file, nobody answers within `TIMEOUT` seconds, or the scheduler ends before the work.
    """
    if ":" not in address and not Path(address).is_file():
        raise SqspeechError(f"--cluster {address}: no such scheduler file; give it, or an address: tcp://HOST:PORT")
    place = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    # What is wrong is reported once, by the error.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client: Any = Client(**place, timeout=TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError) as error:
        raise SqspeechError(
            f"--cluster {address}: no scheduler answers within {TIMEOUT} s ({str(error).partition(chr(10))[0]}); see "
            "whether `dask scheduler` runs there"
        ) from None
    try:
        yield Cluster(client)
    except CancelledError:
        raise SqspeechError(
            f"--cluster {address}: the scheduler has ended; start it, and run the same command"
        ) from None
    finally:
        client.close()


class Cluster(Workers):
    """The workers of a Dask scheduler, however they were started, also those that come later.

    A task whose worker dies is run by another; the scheduler gives one up that several workers died of
    (`distributed.scheduler.allowed-failures`).
    """

    deaths: ClassVar[tuple[type[BaseException], ...]] = (KilledWorker,)

    def __init__(self, client: Any) -> None:
        self._client: Any = client
        self._threads, self._counted = 0, float("-inf")

    def look_ahead(self) -> int:
        """Return how many items may be under way or wait for their turn."""
        if monotonic() > self._counted + RECOUNT:
            self._threads, before = sum(self._client.nthreads().values()), self._counted
            self._counted = monotonic()
            if not self._threads and before < 0:
                print("no worker yet: waiting for one; start it with `dask worker ADDRESS`", file=sys.stderr)
        return WAITING_PER_THREAD * max(1, self._threads)

    @contextmanager
    def start[T, R](self, function: Callable[[T], R]) -> Iterator[Callable[[T], Future[R]]]:
        """Give the function to all workers; on leaving, what is queued is cancelled and what is under way dropped."""
        name = f"sqspeech-{uuid4().hex}"
        self._client.register_plugin(Function(pickle.dumps(function)), name)
        executor = self._client.get_executor(pure=False)
        try:
            yield lambda item: executor.submit(_call, name, item)
        finally:
            executor.shutdown(wait=False)
            if self._client.status == "running":
                self._client.unregister_worker_plugin(name)


class Function(WorkerPlugin):
    """A function that a worker reads from bytes once, for its first item."""

    def __init__(self, pickled: bytes) -> None:
        self.pickled, self.folder = pickled, Path.cwd()

    def setup(self, worker: Worker) -> None:
        """Prepare for items; reading the function here would keep the worker from answering meanwhile."""
        self.reading = Lock()
        self.function: Any = None

    def apply(self, item: Any) -> Any:
        """Compute an item, with relative paths and threads as they are for a process of the client's machine."""
        os.chdir(self.folder)
        with self.reading:
            self.function = self.function or pickle.loads(self.pickled)  # noqa: S301 (from the client)
        use_one_thread()
        return self.function(item)


def _call(name: str, item: Any) -> Any:
    function = get_worker().plugins[name]
    assert isinstance(function, Function)
    return function.apply(item)
