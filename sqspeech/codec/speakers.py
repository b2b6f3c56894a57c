"""Speakers to decode for: those of the model, and mixtures of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import DataError
from sqspeech.pitch import SpeakerPitch


@dataclass(frozen=True, kw_only=True)
class TargetSpeaker:
    """Properties of a speaker that the decoder and the vocoder need.

    Attributes
    ----------
    name
        As it was asked for.
    embedding
        Shape (1, S).
    pitch
        None where it is not known.
    bands
        The mean of each band of the log-mel, shape (M,); None where it is not known.
    """

    name: str
    embedding: Tensor
    pitch: SpeakerPitch | None
    bands: tuple[float, ...] | None = None


def find_speaker(trained: TrainedModel, name: str) -> TargetSpeaker:
    """Return a speaker of the model, or a mixture such as `p225:0.5,p226:0.5`.

    The weights of a mixture are divided by their sum; its embedding, its bands and the statistics of its pitch are the
    weighted means.

    Raises
    ------
    DataError
        A speaker is unknown (the nearest names are given), or a weight is not a positive number.
    """
    parts = {name: 1.0} if name in trained.speakers or ":" not in name else _mixture(name)
    total = sum(parts.values())
    shares = {speaker: weight / total for speaker, weight in parts.items()}
    indices = torch.cat([trained.speaker_index(speaker) for speaker in shares])
    weights = torch.tensor(list(shares.values()), device=trained.device).unsqueeze(1)
    with torch.inference_mode():
        embedding = (trained.model.decoder.speakers(indices) * weights).sum(0, keepdim=True)
    return TargetSpeaker(
        name=name, embedding=embedding, pitch=_mean_pitch(trained, shares), bands=_mean_bands(trained, shares)
    )


def _mixture(name: str) -> dict[str, float]:
    parts = dict[str, float]()
    for part in name.split(","):
        speaker, _, text = part.rpartition(":")
        try:
            weight = float(text)
        except ValueError:
            weight = 0.0
        if not (speaker and 0 < weight < float("inf")) or speaker in parts:
            raise DataError(f"{name}: expected different speakers with positive weights, such as p225:0.5,p226:0.5")
        parts[speaker] = weight
    return parts


def _mean_pitch(trained: TrainedModel, shares: dict[str, float]) -> SpeakerPitch | None:
    found = [(trained.pitch[speaker], share) for speaker, share in shares.items() if speaker in trained.pitch]
    if len(found) < len(shares):
        return None
    return SpeakerPitch(
        log_mean=sum(pitch.log_mean * share for pitch, share in found),
        log_std=sum(pitch.log_std * share for pitch, share in found),
    )


def _mean_bands(trained: TrainedModel, shares: dict[str, float]) -> tuple[float, ...] | None:
    if not shares.keys() <= trained.bands.keys():
        return None
    weighted = ([band * share for band in trained.bands[speaker]] for speaker, share in shares.items())
    return tuple(map(sum, zip(*weighted, strict=True)))
