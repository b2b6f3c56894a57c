"""Parts of an ONNX graph that choose codes; onnx itself is not needed."""

import numpy as np
from numpy.typing import NDArray

from sqspeech.graph import Graph, single


def add_channels(graph: Graph, encoded: str, first: int, last: int) -> str:
    """Append the channels `first` to `last` of (L, O)."""
    return graph.add("Slice", encoded, *(np.asarray([place]) for place in (first, last, 1)))


def add_nearest(
    graph: Graph, latents: str, codewords: NDArray[np.float64], weight: str | None = None
) -> tuple[str, str]:
    """Append the nearest codeword of latents (L, D) in double precision; return the names of codes and vectors.

    The distance is `sqspeech.quantizers.distance.weighted_distance` without the term that all codewords share. A
    weight (L, D) in double precision is needed only where it differs between dimensions.
    """
    norms: str | NDArray[np.float64] = (codewords**2).sum(1)
    if weight:
        latents, norms = graph.add("Mul", weight, latents), graph.add("MatMul", weight, (codewords**2).T)
    distance = graph.add("Add", graph.add("MatMul", latents, -2 * codewords.T), norms)
    codes = graph.add("ArgMin", distance, axis=1, keepdims=0)
    return codes, graph.add("Gather", single(codewords), codes)
