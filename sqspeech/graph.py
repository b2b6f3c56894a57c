"""ONNX graphs as the encoder and the quantisers see them: they add themselves without importing onnx."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Element types of TensorProto, for the operator Cast.
FLOAT, INT64, DOUBLE = 1, 7, 11


@runtime_checkable
class Graph(Protocol):
    """Nodes in their order of execution, and the constants that they read."""

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        """Append a node of names and constants; return the name of its output."""


def double(values: ArrayLike) -> NDArray[np.float64]:
    """Return a constant in double precision."""
    return np.asarray(values, np.float64)


def single(values: ArrayLike) -> NDArray[np.float32]:
    """Return a constant in single precision."""
    return np.asarray(values, np.float32)


def whole(values: int | list[int]) -> NDArray[np.int64]:
    """Return a constant of integers, or of one that is a scalar."""
    return np.asarray(values, np.int64)
