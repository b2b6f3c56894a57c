"""Extents of convolutions: the inputs that outputs depend on, without the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import nn

from sqspeech.models.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Stride, padding and reach of a convolution: an output depends on `reach` + 1 neighbouring inputs."""

    stride: int
    padding: int
    reach: int

    @classmethod
    def of(cls, convolution: nn.Conv1d) -> "Extent":
        """Return the extent of a convolution with a padding in numbers."""
        assert isinstance(convolution.padding, tuple)
        (stride,), (dilation,), (padding,) = convolution.stride, convolution.dilation, convolution.padding
        return cls(stride=stride, padding=padding, reach=(convolution.kernel_size[0] - 1) * dilation)

    def needs(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of inputs that the outputs `first` to `last` depend on, before 0 included."""
        return first * self.stride - self.padding, (last - 1) * self.stride - self.padding + self.reach + 1

    def length(self, inputs: int) -> int:
        """Return how many outputs so many inputs have."""
        return (inputs + 2 * self.padding - self.reach - 1) // self.stride + 1


def geometry_of(layers: nn.Sequential) -> Geometry:
    """Return the geometry of convolutions one after another.

    A unit describes as many frames as it moves by, in the middle of those it depends on.
    """
    extents = [Extent.of(layer) for layer in layers if isinstance(layer, nn.Conv1d)]
    stride = prod(extent.stride for extent in extents)
    first, last = inputs_of(extents, 0, 1)
    left = max(0, (first + last - stride) // 2)
    shortest = next(frames for frames in range(1, last + stride) if _outputs(extents, frames) > 0)
    return Geometry(stride=stride, left=left, right=max(0, shortest - left - stride))


def inputs_of(extents: Sequence[Extent], first: int, last: int) -> tuple[int, int]:
    """Return the range of inputs of the first that the outputs `first` to `last` of the last one depend on."""
    for extent in reversed(extents):
        first, last = extent.needs(first, last)
    return first, last


def _outputs(extents: Sequence[Extent], inputs: int) -> int:
    for extent in extents:
        inputs = extent.length(inputs)
    return inputs
