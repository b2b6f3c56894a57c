"""A disk with little space left."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def space_left(size: int) -> Iterator[None]:
    """Let this process write no file of more than `size` bytes."""
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
