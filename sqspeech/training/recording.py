"""CUDA graph of a piece of work that is done again and again."""

from collections.abc import Callable

import torch

# Calls launched operation by operation before the graph is recorded: libraries allocate and choose their kernels then.
WARM_UP = 3


class Recording:
    """Work on the current GPU, launched operation by operation at first, then recorded once and replayed.

    Parameters
    ----------
    work
        Reads and writes tensors that stay in place, and waits for nothing.
    prepare
        Called once before the recording, outside the graph.
    """

    def __init__(self, work: Callable[[], None], prepare: Callable[[], None]) -> None:
        self._work, self._prepare = work, prepare
        self._graph: torch.cuda.CUDAGraph | None = None
        self._launched = 0

    def __call__(self) -> None:
        """Do the work; returns before the device has done it."""
        if self._graph is not None:
            self._graph.replay()
        elif self._launched < WARM_UP:
            self._launch()
        else:
            self._record()

    def _launch(self) -> None:
        # On another stream than the default one, as the recording will be.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._work()
        torch.cuda.current_stream().wait_stream(stream)
        self._launched += 1

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        self._prepare()
        # On a stream of this device: torch's own, which all recordings share, is of the device of the first.
        with torch.cuda.graph(graph, stream=torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            self._work()
        self._graph = graph
        graph.replay()
