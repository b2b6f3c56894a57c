"""Map a function over the items of a corpus: results in order, few of them waiting, no end of the run by one item."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from itertools import islice
from typing import ClassVar

# The reason that stands for an item on which a worker died.
DIED = "the process that read it died, out of memory or by a fault in the decoder; look at the file"


class Workers(ABC):
    """Place where the items of a corpus are computed.

    Attributes
    ----------
    deaths
        The errors of a future whose worker died.
    """

    deaths: ClassVar[tuple[type[BaseException], ...]]

    @abstractmethod
    def look_ahead(self) -> int:
        """Return how many items may be under way or wait for their turn."""

    @abstractmethod
    def start[T, R](self, function: Callable[[T], R]) -> AbstractContextManager[Callable[[T], Future[R]]]:
        """Give every worker the function, once, as bytes; the value submits an item.

        On leaving, what is not finished is cancelled.
        """


def map_in_order[T, R](
    function: Callable[[T], R], items: Iterable[T], workers: Workers, *, died: Callable[[T], R]
) -> Generator[R, None, None]:
    """Yield `function(item)` of each item, in order.

    An item on which a worker dies (killed for its memory, or by a fault in a decoder) is tried once more with nothing
    else under way, and yields `died(item)` when a worker dies again. A caller that may leave before the end closes the
    iterator.

    Parameters
    ----------
    function
        Can be pickled; what it holds (a model, say) goes to each worker once and not with each item.
    items
        Taken when there is room: at most `workers.look_ahead()` ahead of the results.
    workers
        Where it is computed; the results do not depend on it.
    died
        The result for an item that kills workers.
    """
    remaining, waiting = iter(items), deque[tuple[T, Future[R]]]()
    with workers.start(function) as submit:
        while True:
            for item in islice(remaining, max(0, workers.look_ahead() - len(waiting))):
                waiting.append((item, submit(item)))
            if not waiting:
                return
            if not _is_dead(waiting[0][1], workers):
                yield waiting.popleft()[1].result()
                continue
            # Any of those under way may be the cause.
            wait([future for _, future in waiting])
            while waiting:
                item, future = waiting.popleft()
                if _is_dead(future, workers):
                    future = submit(item)
                yield died(item) if _is_dead(future, workers) else future.result()


def _is_dead[R](future: Future[R], workers: Workers) -> bool:
    return isinstance(future.exception(), workers.deaths)
