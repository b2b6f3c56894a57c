"""Parts of an ONNX graph that choose codes; onnx itself is not needed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sqspeech.graph import DOUBLE, Graph, single, whole


def add_codes(
    graph: Graph,
    encoded: str,
    dim: int,
    extra_channels: int,
    add_choice: Callable[[Graph, str, str | None], tuple[str, str]],
) -> None:
    """Append the outputs `codes`, `vectors` and `continuous`, of an encoder's output (L, D + E).

    `add_choice` gives the names of codes and of their codewords, of the names of latents (L, D) in double precision and
    of the other channels (L, E).
    """
    continuous = graph.add("Identity", _channels(graph, encoded, 0, dim), output="continuous")
    extra = _channels(graph, encoded, dim, dim + extra_channels) if extra_channels else None
    codes, vectors = add_choice(graph, graph.add("Cast", continuous, to=DOUBLE), extra)
    graph.add("Identity", codes, output="codes")
    graph.add("Identity", vectors, output="vectors")


def _channels(graph: Graph, encoded: str, first: int, last: int) -> str:
    return graph.add("Slice", encoded, *(whole([place]) for place in (first, last, 1)))


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
