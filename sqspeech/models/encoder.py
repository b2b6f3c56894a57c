"""The convolutional encoder."""

import copy
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sqspeech.graph import Graph, single, whole
from sqspeech.models.base import ENCODERS
from sqspeech.models.batch_norm import BatchNorm
from sqspeech.models.extent import geometry_of
from sqspeech.models.windows import ConvolutionWindows


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class EncoderConfig:
    """The encoder's `width`: the channels of every convolution.

    With `normalize`, each band's mean over the frames given, a crop or an utterance, is subtracted first, as it
    commonly is from cepstra: a constant channel and level have no influence. The decoder must guess them from the
    speaker, so the reconstruction is worse. The longer `crops.frames`, the nearer a crop's mean is to an utterance's.
    Source: Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic speaker
    identification and verification", JASA 55(6), 1974 (cepstral mean subtraction).
    """

    name: Literal["conv"] = "conv"
    width: int = Field(default=768, ge=1)
    normalize: bool = False


class ConvolutionalEncoder(nn.Module):
    """Convolutions, each with BatchNorm and ReLU or with nothing after it; the base of encoders that consist of them.

    Parameters
    ----------
    layers
        From (B, M, T) to (B, O, L).
    normalize
        See `EncoderConfig`.

    Attributes
    ----------
    geometry
        That of the convolutions: see `geometry_of`.
    """

    def __init__(self, layers: nn.Sequential, *, normalize: bool = False) -> None:
        super().__init__()
        self.layers, self.normalize = layers, normalize
        self.geometry = geometry_of(layers)

    def forward(
        self,
        mel: Float[Tensor, "B T M"],
        mean: Float[Tensor, "B 1 M"] | None = None,
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B L O"]:
        """Return L = `geometry.units(T)` latent steps; see `sqspeech.models.base.Encoder`."""
        if self.normalize:
            mel = mel - (_mean(mel, lengths) if mean is None else mean)
        values = mel.transpose(1, 2)
        for layer in self.layers:
            values = layer(values)
            if lengths is not None:
                lengths = _outputs(layer, lengths) if isinstance(layer, nn.Conv1d) else lengths
                # As the convolutions' own padding; a BatchNorm makes something else of zeros.
                values = values * _inside(values.shape[2], lengths)[:, None] if isinstance(layer, nn.ReLU) else values
        return values.transpose(1, 2)

    def windows(self, dtype: torch.dtype) -> ConvolutionWindows:
        """Return what computes spans of units, in a precision."""
        return ConvolutionWindows(self.layers, dtype)

    def add_to_graph(self, graph: Graph, mel: str) -> str:
        """Append the encoder in eval mode to an ONNX graph, (M, T) used frames to (L, O); return its output."""
        add = graph.add
        if self.normalize:
            mel = add("Sub", mel, add("ReduceMean", mel, whole([1]), keepdims=1))
        hidden = add("Unsqueeze", mel, whole([0]))
        layers = list(copy.deepcopy(self.layers).cpu().double().eval())
        for layer, following in pairwise([*layers, None]):
            if isinstance(layer, nn.Conv1d):
                folded = fuse_conv_bn_eval(layer, following) if isinstance(following, nn.BatchNorm1d) else layer
                weight_and_bias = [single(parameter.detach()) for parameter in folded.parameters()]
                strides, pads = list(layer.stride), [*layer.padding, *layer.padding]
                hidden = add("Conv", hidden, *weight_and_bias, strides=strides, pads=pads, dilations=[*layer.dilation])
            elif isinstance(layer, nn.ReLU):
                hidden = add("Relu", hidden)
        return add("Transpose", add("Squeeze", hidden, whole([0])), perm=[1, 0])


@ENCODERS.register("conv", config=EncoderConfig)
class ConvEncoder(ConvolutionalEncoder):
    """Five convolutions with BatchNorm and ReLU, and a projection; two frames become one latent step.

    The first convolution is not padded: it drops one frame at each side.

    Source: the official ZeroSpeech configuration of SQ-VAE (after van Niekerk et al., arXiv 2005.09409).

    Parameters
    ----------
    config
        The width, and whether the input is normalised.
    n_mels
        M, the bands of the input.
    output_dim
        O, the channels of the output.
    """

    def __init__(self, config: EncoderConfig, n_mels: int, output_dim: int) -> None:
        width = config.width
        layers = nn.Sequential(
            *convolution(n_mels, width, kernel_size=3),
            *convolution(width, width, kernel_size=3, padding=1),
            *convolution(width, width, kernel_size=4, stride=2, padding=1),
            *convolution(width, width, kernel_size=3, padding=1),
            *convolution(width, width, kernel_size=3, padding=1),
            nn.Conv1d(width, output_dim, kernel_size=1),
        )
        super().__init__(layers, normalize=config.normalize)


def _mean(mel: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return mel.mean(1, keepdim=True)
    real = _inside(mel.shape[1], lengths)[..., None]
    return (mel * real).sum(1, keepdim=True) / lengths[:, None, None]


def _inside(size: int, lengths: Int[Tensor, " B"]) -> Bool[Tensor, "B {size}"]:
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def _outputs(layer: nn.Conv1d, inputs: Tensor) -> Tensor:
    assert isinstance(layer.padding, tuple)
    return (inputs + 2 * layer.padding[0] - layer.kernel_size[0]) // layer.stride[0] + 1


def convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """Return a convolution with BatchNorm and ReLU."""
    return [
        nn.Conv1d(inputs, outputs, kernel_size, stride, padding, bias=False),
        BatchNorm(outputs),
        nn.ReLU(),
    ]
