"""The convolutional encoder."""

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sqspeech.models.batch_norm import BatchNorm


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class EncoderConfig:
    """The encoder's `width`: the channels of every convolution.

    With `normalize`, each band's mean over the frames given, a crop or an utterance, is subtracted first, as it
    commonly is from cepstra: a constant channel and level are not heard. The decoder must guess them from the
    speaker, so the reconstruction is worse. The longer `crops.frames`, the nearer a crop's mean is to an utterance's.
    Source: Atal, "Effectiveness of linear prediction characteristics of the speech wave for automatic speaker
    identification and verification", JASA 55(6), 1974 (cepstral mean subtraction).
    """

    width: int = Field(default=768, ge=1)
    normalize: bool = False


class Encoder(nn.Module):
    """Five convolutions with BatchNorm and ReLU, and a projection; two mel frames become one latent step.

    The first convolution is not padded: it drops one frame at each side, so the output describes mel[1:-1].

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
        super().__init__()
        width, self.normalize = config.width, config.normalize
        self.layers = nn.Sequential(
            *_conv(n_mels, width, kernel_size=3),
            *_conv(width, width, kernel_size=3, padding=1),
            *_conv(width, width, kernel_size=4, stride=2, padding=1),
            *_conv(width, width, kernel_size=3, padding=1),
            *_conv(width, width, kernel_size=3, padding=1),
            nn.Conv1d(width, output_dim, kernel_size=1),
        )

    def forward(
        self,
        mel: Float[Tensor, "B T M"],
        mean: Float[Tensor, "B 1 M"] | None = None,
        lengths: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B L O"]:
        """Return L = (T − 2) // 2 latent steps.

        Parameters
        ----------
        mel
            Log-mel.
        mean
            Of the bands over the utterance that the frames are from, for an encoder that normalises its input; that
            of the frames when None.
        lengths
            Frames of each row, an even number; a row's output up to its length is that of the row alone. All are whole
            when None.
        """
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


def _conv(inputs: int, outputs: int, kernel_size: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    convolution = nn.Conv1d(inputs, outputs, kernel_size, stride, padding, bias=False)
    return [convolution, BatchNorm(outputs), nn.ReLU()]
