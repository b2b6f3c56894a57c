"""Rows of a batch as what they hold."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sqspeech.features import LogMelConfig

# Frames and bands over which a log-mel is averaged, about as much as decoding blurs it.
BLUR = (5, 3)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """T frames of recordings.

    Attributes
    ----------
    mel, decoded
        The log-mel of the recording, and what a codec makes of it, where there is one.
    f0, phase
        In Hz, 0 where unvoiced; in radians, of the fundamental.
    wave
        The scaled, pre-emphasised samples from the centre of the first frame to that of the last: N = (T − 1) ·
        hop_length.
    """

    mel: Float[Tensor, "B T M"]
    decoded: Float[Tensor, "B T M"] | None
    f0: Float[Tensor, "B T"]
    phase: Float[Tensor, "B T"]
    wave: Float[Tensor, "B N"]

    @classmethod
    def of(cls, rows: Float[Tensor, "B T C"], features: LogMelConfig, *, decoded: bool) -> "Crop":
        """Return the parts of log-mel and rows side by side (see `VocoderData`)."""
        bands = features.n_mels
        widths = [bands, bands if decoded else 0, 2, features.hop_length]
        mel, made, pitch, wave = torch.split(rows, widths, dim=-1)
        return cls(
            mel=mel,
            decoded=made if decoded else None,
            f0=pitch[..., 0],
            phase=pitch[..., 1],
            wave=wave[:, :-1].flatten(1),
        )


def blurred(mel: Float[Tensor, "B T M"]) -> Float[Tensor, "B T M"]:
    """Return a log-mel averaged over neighbouring frames and bands."""
    frames, bands = BLUR
    averaged: Tensor = functional.avg_pool2d(
        mel.unsqueeze(1), BLUR, 1, (frames // 2, bands // 2), count_include_pad=False
    )
    return averaged.squeeze(1)
