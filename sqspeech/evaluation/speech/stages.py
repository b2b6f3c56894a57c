"""Latents that a decoder is given in place of the codes' own: what each stage of quantisation loses."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.codec import Codec
from sqspeech.codec.decoder import Latents
from sqspeech.errors import ConfigError
from sqspeech.quantizers.mean import posterior_mean

type Samples = NDArray[np.float32]

CONTINUOUS, MEAN = "latents", "posterior_mean"
FIRST = "stages_"


def stage_kinds(codec: Codec) -> tuple[str, ...]:
    """Return the kinds of latents that a model has beside its codes'.

    `latents` are the encoder's output and `posterior_mean` the mean of the codewords under the posterior, where there
    is one; `stages_q` are the codewords of the first q of Q stages, q < Q. A model without a codebook has none: it
    decodes the encoder's output.
    """
    quantizer = codec.trained.model.quantizer
    if quantizer.codebook_size is None:
        return ()
    try:
        codec.check_matrices(["posteriors"])
        mean: tuple[str, ...] = (MEAN,)
    except ConfigError:
        mean = ()
    return (CONTINUOUS, *mean, *(f"{FIRST}{count}" for count in range(1, quantizer.stages)))


def latents_of(codec: Codec, kind: str, samples: Samples) -> Latents:
    """Return what gives the latents of a kind of any range of the units of samples (N,) at the model's rate."""
    z = _latents(codec, kind, samples)
    return lambda first, last: z[None, first:last]


@torch.inference_mode()
def _latents(codec: Codec, kind: str, samples: Samples) -> Float[Tensor, "L D"]:
    quantizer, device = codec.trained.model.quantizer, codec.trained.device
    if kind == CONTINUOUS:
        continuous = codec.encode(samples, matrices=["continuous"]).continuous
        assert continuous is not None
        return torch.from_numpy(continuous).to(device)
    if kind == MEAN:
        posteriors = codec.encode(samples, matrices=["posteriors"]).posteriors
        assert posteriors is not None
        return posterior_mean(quantizer, torch.from_numpy(posteriors).to(device))
    count = int(kind.removeprefix(FIRST))
    return quantizer.lookup(torch.from_numpy(codec.encode(samples).codes[:, :count]).to(device))
