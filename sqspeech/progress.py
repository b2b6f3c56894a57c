"""Progress bars for long work, on standard error so that output can be piped; or told to whoever listens instead."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Takes the name of the work, how much is done, and how much there is.
type Listener = Callable[[str, float, float], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def progress_told_to(listener: Listener) -> Iterator[None]:
    """Let progress inside the block be told to a function, and not be shown."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def progress_bar() -> Progress:
    """Return a bar with a count, the time gone and an estimate of the time left."""
    listener = _listener.get()
    if listener:
        return _Told(listener)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
        console=Console(stderr=True),
    )


def track[T](items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield `items` under a progress bar."""
    with progress_bar() as bar:
        task = bar.add_task(description, total=total, status="")
        for item in items:
            yield item
            bar.advance(task)


class _Told(Progress):
    """Progress that a listener is told."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(disable=True)
        self._listener = listener

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        task = self._tasks[task_id]
        self._listener(task.description, task.completed, task.total or 1.0)
