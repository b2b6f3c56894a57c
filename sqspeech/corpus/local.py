"""Work of one worker, done by the caller."""

from collections.abc import Callable, Generator, Iterable

from sqspeech.corpus.processes import Processes
from sqspeech.corpus.runner import Workers, map_in_order


def map_locally_or_in_order[T, R](
    function: Callable[[T], R], items: Iterable[T], workers: Workers, *, died: Callable[[T], R]
) -> Generator[R, None, None]:
    """Yield what `map_in_order` yields; where the workers are a single process, this one is it.

    For items whose recordings have been read: nothing is left on which a process could die, and a start of torch takes
    seconds.
    """
    if isinstance(workers, Processes) and workers.jobs == 1:
        yield from map(function, items)
    else:
        yield from map_in_order(function, items, workers, died=died)
