"""The measures of a model on a set of images."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from images.model import ImageSQVAE
from sqspeech.evaluation.metrics.codebook import active_codes, entropy, perplexity, usage
from sqspeech.quantizers.precision import full_precision

# Images at a time.
CHUNK = 250


def measure(model: ImageSQVAE, images: UInt8[Tensor, "N C H W"]) -> dict[str, Any]:
    """Return the measures of a model in eval mode: those of its target, and the use of its codebook.

    `bits` are those of an image whose codes are drawn independently, L times the entropy of the codes; `usage` is the
    count of each code.
    """
    codes, tallies = list[Int[np.ndarray, "B L"]](), list[Tensor]()
    with torch.inference_mode(), full_precision(images.device):
        for chunk in torch.split(images, CHUNK):
            quantized = model.quantize(chunk)
            tallies.append(model.target.tally(model.reconstruct(quantized.z), chunk))
            if quantized.codes is not None:
                codes.append(quantized.codes.cpu().numpy())
    return {**model.target.measures(torch.stack(tallies).sum(0)), **_codebook(model, codes)}


def _codebook(model: ImageSQVAE, codes: list[Int[np.ndarray, "B L"]]) -> dict[str, Any]:
    size = model.quantizer.codebook_size
    if size is None:
        return {}
    counts = usage(codes, size)
    return {
        "perplexity": perplexity(counts),
        "active_codes": active_codes(counts),
        "codebook_size": size,
        "bits": codes[0].shape[1] * entropy(counts) / float(np.log(2)),
        "usage": counts.tolist(),
    }
