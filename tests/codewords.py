"""Codewords where a test wants them."""

import torch
from torch import Tensor

from sqspeech.quantizers import Quantizer, Residual, SimVQ


@torch.no_grad()
def place(quantizer: Quantizer, codewords: Tensor) -> None:
    """Put (K, D) codewords into a quantiser that can have any; the stages of a residual one get ever shorter ones."""
    if isinstance(quantizer, SimVQ):
        quantizer.frozen.copy_(codewords)
        quantizer.weight.copy_(torch.eye(quantizer.dim))
    elif isinstance(quantizer, Residual):
        for number, stage in enumerate(quantizer.quantizers):
            place(stage, codewords.roll(number, 0) * 0.4**number)
    elif hasattr(quantizer, "codebook"):
        quantizer.codebook.copy_(codewords)
