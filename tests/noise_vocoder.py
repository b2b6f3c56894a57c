"""A vocoder that costs nothing."""

import torch

from sqspeech.pitch import Excitation


class Noise:
    """As long as a vocoder's output, with the level of the frames."""

    name, needs_excitation = "noise", False

    def __call__(self, mel: torch.Tensor, excitation: Excitation | None = None) -> torch.Tensor:
        noise = torch.randn(len(mel), 160, generator=torch.Generator().manual_seed(0)) * mel.mean(1, keepdim=True).abs()
        return noise.flatten()[:-160]
