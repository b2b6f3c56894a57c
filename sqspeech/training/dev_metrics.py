"""The measures on dev while training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sqspeech import distributed
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.codebook import active_codes, perplexity
from sqspeech.models.sqvae import SQVAE
from sqspeech.quantizers.precision import full_precision

# Frames of a batch: on a GPU the decoder's steps wait for each other, so that a batch should have many rows.
FRAMES_AT_ONCE = {"cpu": 2**12, "cuda": 2**16}


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Utterances from the longest to the shortest: log-mel, speaker indices, and frames on the host and the device."""

    mel: Float[Tensor, "B T M"]
    speaker: Int[Tensor, " B"]
    frames: Sequence[int]
    lengths: Int[Tensor, " B"]


class Validation:
    """The dev utterances, shared out between the processes, and what is measured on them.

    Every utterance is measured at full length as if it were alone, in IEEE single precision whatever the training's is,
    so that trainings of different precision can be compared. Utterances of similar length are computed together, and
    what is measured is summed on the device: the only wait is for the sums.

    Raises
    ------
    DataError
        An utterance is of a speaker that the training set lacks.
    """

    def __init__(self, dev: FeatureStore, speakers: Sequence[str], top_db: float, device: torch.device) -> None:
        places = {speaker: index for index, speaker in enumerate(speakers)}
        for utterance in dev.data:
            if utterance.spk_id not in places:
                raise DataError(
                    f"{dev.path}: speaker {utterance.spk_id} of {utterance.utt_id} is not among the training speakers"
                )
        self.top_db, self.device = top_db, device
        with distributed.sharing():
            own = list(dev.data)[distributed.rank() :: distributed.world_size()]
        self._utterances = [(torch.from_numpy(dev.read(u.utt_id)), places[u.spk_id]) for u in own]
        self._batches: list[_Batch] = []

    def __call__(self, model: SQVAE) -> dict[str, float]:
        """Return `dev_mse_db2`, and where there is a codebook `dev_perplexity` and `dev_active_codes` of the whole
        set; and `dev_mse_db2_other_codes`, the error when the latents of each utterance are decoded in reverse order.

        Of Q stages the perplexity and the active codes are means over the stages; `dev_perplexity_1` to
        `dev_perplexity_Q` are those of each, and `dev_perplexity_total` is their product, that of K^Q codes if the
        stages were independent.
        """  # noqa: D205
        size, stages = model.quantizer.codebook_size or 0, model.quantizer.stages
        if self._utterances:
            usable = [pair for pair in self._utterances if len(pair[0]) >= model.geometry.shortest]
            self._batches = list(_batches(usable, FRAMES_AT_ONCE[self.device.type], self.device))
            self._utterances = []
        sums = torch.zeros(3 + stages * size, dtype=torch.float64, device=self.device)
        model.eval()
        with torch.inference_mode(), full_precision(self.device):
            for batch in self._batches:
                sums += _measure(model, batch)
        model.train()
        with distributed.sharing():
            found = distributed.all_reduce_sum(sums).cpu()
        error, other = (self.top_db**2 * found[:2] / found[2]).tolist()
        values = {"dev_mse_db2": error, "dev_mse_db2_other_codes": other}
        if size:
            values |= _codebook_use(found[3:].long().view(stages, size).numpy())
        return values


def _codebook_use(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return what is logged of the code counts (Q, K)."""
    found = [perplexity(stage) for stage in counts]
    values = {"dev_perplexity": fmean(found), "dev_active_codes": _mean([active_codes(stage) for stage in counts])}
    each = {f"dev_perplexity_{place}": value for place, value in enumerate(found, 1)}
    return values if len(found) == 1 else {**values, **each, "dev_perplexity_total": prod(found)}


def _batches(
    utterances: Sequence[tuple[Float[Tensor, "T M"], int]], frames: int, device: torch.device
) -> Iterator[_Batch]:
    ordered = sorted(utterances, key=lambda pair: -len(pair[0]))
    while ordered:
        # The first is the longest, so that the batch has so many frames with its padding.
        count = max(1, frames // len(ordered[0][0]))
        mels, speakers = zip(*ordered[:count], strict=True)
        ordered = ordered[count:]
        lengths = [len(mel) for mel in mels]
        yield _Batch(
            mel=pad_sequence(list(mels), batch_first=True).to(device),
            speaker=torch.tensor(speakers, device=device),
            frames=lengths,
            lengths=torch.tensor(lengths, device=device),
        )


def _measure(model: SQVAE, batch: _Batch) -> Float64[Tensor, " S"]:
    """Return the sum over frames of the squared error, of that of the reversed latents, the frames, the code counts."""
    geometry = model.geometry
    steps = geometry.units(batch.lengths)
    quantized = model.quantize(batch.mel, lengths=batch.lengths)
    real = torch.arange(quantized.z.shape[1], device=steps.device) < steps[:, None]
    # Each row's latents and then the same in reverse order, which for the decoder are two rows.
    both = torch.stack([quantized.z, _reversed(quantized.z, steps)], 1).flatten(0, 1)
    embeddings = model.decoder.speakers(batch.speaker).repeat_interleave(2, 0)
    counts = [geometry.units(length) for length in batch.frames for _ in range(2)]
    mel_hat = model.decoder.decode(both, embeddings, counts)
    wanted = geometry.target(batch.mel)[:, : mel_hat.shape[1]].repeat_interleave(2, 0)
    errors = (mel_hat.double() - wanted.double()).square().mean(-1).view(len(steps), 2, -1)
    errors = errors * real.repeat_interleave(geometry.stride, 1)[:, None]
    sums = torch.cat([errors.sum((0, 2)), geometry.stride * steps.sum().double()[None]])
    if quantized.codes is None:
        return sums
    stages, size = model.quantizer.stages, model.quantizer.codebook_size or 0
    # Every stage counts in a range of its own.
    places = quantized.codes.view(*real.shape, stages) + size * torch.arange(stages, device=steps.device)
    used = torch.zeros(stages * size, dtype=torch.float64, device=steps.device)
    ones = real.double().unsqueeze(-1).expand_as(places)
    return torch.cat([sums, used.index_add_(0, places.flatten(), ones.flatten())])


def _reversed(z: Float[Tensor, "B L D"], steps: Int[Tensor, " B"]) -> Float[Tensor, "B L D"]:
    """Return the first steps of each row in reverse order; behind them anything."""
    index = (steps[:, None] - 1 - torch.arange(z.shape[1], device=z.device)).clamp_min(0)
    return z.gather(1, index.unsqueeze(-1).expand_as(z))


def _mean(counts: list[int]) -> float:
    """Return the mean over the stages; of one stage its count as it is."""
    return counts[0] if len(counts) == 1 else fmean(counts)
