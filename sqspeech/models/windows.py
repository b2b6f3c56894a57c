"""The encoder on parts of an utterance, with the results that it has on the whole."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sqspeech.models.extent import Extent, inputs_of


@dataclass(frozen=True, kw_only=True)
class _Layer(Extent):
    """A convolution with what follows it; `weight` and `bias` include the BatchNorm in eval mode."""

    weight: Tensor
    bias: Tensor
    dilation: int
    rectified: bool

    def __call__(self, inputs: Float[Tensor, "R C T"]) -> Float[Tensor, "R C2 T2"]:
        if inputs.dtype == torch.float64:
            outputs = self._product(inputs)
        else:
            outputs = functional.conv1d(inputs, self.weight, self.bias, self.stride, dilation=self.dilation)
        return outputs.relu_() if self.rectified else outputs

    def _product(self, inputs: Float[Tensor, "R C T"]) -> Float[Tensor, "R C2 T2"]:
        """Return the convolution as one matrix product: on a CPU torch has no fast one in double precision."""
        columns = inputs.unfold(2, self.reach + 1, self.stride)[..., :: self.dilation].transpose(1, 2).flatten(2)
        return (columns @ self.weight.flatten(1).T + self.bias).transpose(1, 2)


class ConvolutionWindows:
    """Convolutions in eval mode, window by window.

    A window has the input that its outputs see, so that no padding is computed and an utterance of any length takes
    the memory of a window. What lies beyond the ends of the utterance is made zero after each convolution, as the
    convolutions' own padding is.

    Parameters
    ----------
    layers
        Convolutions, each with a BatchNorm and a ReLU or with nothing after it.
    dtype
        Of the computation.
    """

    def __init__(self, layers: nn.Sequential, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        modules = list(layers)
        places = [place for place, module in enumerate(modules) if isinstance(module, nn.Conv1d)]
        self._layers = [_layer(modules[place : place + 3], dtype) for place in places]

    def frames(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of frames that the units `first` to `last` depend on; it may reach beyond the utterance."""
        return inputs_of(self._layers, first, last)

    def __call__(
        self, windows: Float[Tensor, "R T M"], firsts: Sequence[int], lengths: Sequence[int], count: int
    ) -> Float[Tensor, "R count O"]:
        """Return the output for `count` units of each window.

        Parameters
        ----------
        windows
            The frames that `frames` names for the units of each; beyond the utterance anything finite.
        firsts
            The first unit of each.
        lengths
            The used frames of the utterance that each is from.
        """
        spans = [(0, count)]
        for layer in reversed(self._layers):
            spans.append(layer.needs(*spans[-1]))
        # Positions of the inputs of each layer, for a window whose first unit is 0; and how far one unit moves them.
        starts, strides = [first for first, _ in reversed(spans)], self._strides()
        values, inside = windows.to(self.dtype).transpose(1, 2), list(lengths)
        for number, layer in enumerate(self._layers):
            values = layer(values)
            inside = [layer.length(length) for length in inside]
            for row, (first, length) in enumerate(zip(firsts, inside, strict=True)):
                start = starts[number + 1] + first * strides[number + 1]
                values[row, :, : max(0, -start)] = 0
                values[row, :, max(0, length - start) :] = 0
        return values.transpose(1, 2)

    def _strides(self) -> list[int]:
        strides = [1]
        for layer in reversed(self._layers):
            strides.append(strides[-1] * layer.stride)
        return strides[::-1]


def _layer(modules: Sequence[nn.Module], dtype: torch.dtype) -> _Layer:
    convolution, *rest = (copy.deepcopy(module).double().eval() for module in modules)
    assert isinstance(convolution, nn.Conv1d)
    norm = rest[0] if rest and isinstance(rest[0], nn.BatchNorm1d) else None
    folded = fuse_conv_bn_eval(convolution, norm) if norm else convolution
    assert folded.bias is not None
    extent = Extent.of(convolution)
    return _Layer(
        weight=folded.weight.detach().to(dtype),
        bias=folded.bias.detach().to(dtype),
        stride=extent.stride,
        padding=extent.padding,
        reach=extent.reach,
        dilation=convolution.dilation[0],
        rectified=norm is not None,
    )
