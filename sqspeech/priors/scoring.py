"""Negative log-likelihood of sequences of any length."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sqspeech.priors.unit_lm import PADDING, UnitLM

# Steps that are computed at once, with their padding.
AT_ONCE = {"cpu": 2**11, "cuda": 2**15}


@torch.inference_mode()
def sequence_nats(
    model: UnitLM, sequences: Sequence[Int[Tensor, "L C"]], conditions: Sequence[int] | None = None
) -> list[Float64[Tensor, " C"]]:
    """Return −log p of each sequence in nats, the sum over its steps for each column, on the CPU.

    Parameters
    ----------
    model
        In evaluation mode.
    sequences
        Of one step or more each, on any device.
    conditions
        The class of each, where the model has classes.
    """
    found = [torch.zeros(0, dtype=torch.float64)] * len(sequences)
    device = model.begin.device
    for places in _batches([len(sequence) for sequence in sequences], AT_ONCE[device.type]):
        codes = pad_sequence([sequences[place] for place in places], batch_first=True, padding_value=PADDING).to(device)
        condition = None if conditions is None else torch.tensor([conditions[place] for place in places], device=device)
        for place, nats in zip(places, _nats(model, codes.long(), condition).cpu(), strict=True):
            found[place] = nats
    return found


def _nats(model: UnitLM, codes: Int[Tensor, "B L C"], condition: Int[Tensor, " B"] | None) -> Float64[Tensor, "B C"]:
    """Return the sums over the steps, of which a context's worth is computed at once."""
    steps, cache, size = model.after_begin(codes), model.cache(), model.config.context
    parts = [steps[:, start : start + size + 1] for start in range(0, codes.shape[1], size)]
    return torch.stack([model.nats(part, condition, cache).double().sum(1) for part in parts]).sum(0)


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield the places of sequences of similar length, from the longest to the shortest, some steps at once."""
    ordered = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while ordered:
        some = max(1, size // lengths[ordered[0]])
        yield ordered[:some]
        ordered = ordered[some:]
