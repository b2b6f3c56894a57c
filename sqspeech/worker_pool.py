"""Work for several processes: results in order, few of them waiting, and no end of the run when one dies."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

# Enough that a long recording does not idle the others, few enough that results never pile up.
WAITING_PER_JOB = 4


def map_in_order[T, R](
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    jobs: int,
    died: Callable[[T], R],
    initializer: Callable[..., None] | None = None,
    initargs: tuple[object, ...] = (),
) -> Generator[R, None, None]:
    """Yield `function(item)` of each item in order, computed in `jobs` fresh processes.

    At most `jobs` * 4 results are computed ahead. An item on which a process dies (killed for its memory, or by
    a fault in a decoder) yields `died(item)`; the others are computed again. A caller that may leave before the end
    closes the iterator: left to the interpreter's own end, the processes are ended too late.
    """
    remaining, waiting = iter(items), deque[T]()
    while True:
        waiting.extend(islice(remaining, 1))
        if not waiting:
            return
        with _pool(function, jobs, initializer, initargs) as pool:
            with _deaf_to_interrupts():
                futures = deque(pool.submit(function, item) for item in waiting)
            try:
                while waiting:
                    _fill(pool, function, remaining, waiting, futures, jobs)
                    result = futures[0].result()
                    waiting.popleft(), futures.popleft()
                    yield result
                continue
            except BrokenProcessPool:
                pass
        # Any of those under way may have been the one. Each gets a process of its own to die in.
        while waiting:
            yield _alone(function, waiting.popleft(), initializer, initargs, died)


def _fill[T, R](
    pool: ProcessPoolExecutor,
    function: Callable[[T], R],
    remaining: Iterator[T],
    waiting: deque[T],
    futures: deque[Future[R]],
    jobs: int,
) -> None:
    for item in islice(remaining, max(0, WAITING_PER_JOB * jobs - len(waiting))):
        waiting.append(item)
        futures.append(pool.submit(function, item))


def _alone[T, R](
    function: Callable[[T], R],
    item: T,
    initializer: Callable[..., None] | None,
    initargs: tuple[object, ...],
    died: Callable[[T], R],
) -> R:
    with _pool(function, 1, initializer, initargs) as pool:
        try:
            with _deaf_to_interrupts():
                future = pool.submit(function, item)
            return future.result()
        except BrokenProcessPool:
            return died(item)


@contextmanager
def _pool(
    function: Callable[..., object], jobs: int, initializer: Callable[..., None] | None, initargs: tuple[object, ...]
) -> Iterator[ProcessPoolExecutor]:
    # A fork of this process would copy the locks of torch's threads. The fork server has no threads: it imports what
    # the function needs once, which takes seconds for torch, and each process starts as a copy of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(reader, initializer, initargs))
    with reader, writer:
        try:
            yield pool
        except BaseException:
            writer.close()
            raise
        finally:
            # Also when the caller goes away: what is under way is finished, or ends at once where it has asked to;
            # what is queued is not begun.
            pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let the processes that are started inside never hear Ctrl-C, from their first moment.

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


# In a process of `map_in_order`: closed at the other end when the caller leaves before the end.
_caller: Connection


def end_with_caller() -> None:
    """Let this process of `map_in_order` end when the caller leaves before the end, whatever is under way.

    For an initializer. Without it what is under way is finished; with it somebody else deletes what is left.
    """
    threading.Thread(target=lambda: (_caller.poll(None), os._exit(1)), daemon=True).start()


def _start(caller: Connection, initializer: Callable[..., None] | None, initargs: tuple[object, ...]) -> None:
    global _caller
    _caller = caller
    # A parent that is killed says nothing.
    threading.Thread(target=_follow_parent, daemon=True).start()
    if initializer:
        initializer(*initargs)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
