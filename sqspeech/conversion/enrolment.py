"""A new speaker for a trained model, from a little speech."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion.converter import Samples
from sqspeech.errors import DataError
from sqspeech.excitation import quick_f0, speaker_pitch
from sqspeech.models.sqvae import mean_squared_error, target
from sqspeech.progress import track

STEPS, BATCH, CODES, LEARNING_RATE = 300, 16, 48, 0.02
# In seconds; less does not tell a voice from what it says.
LEAST = 5.0
EMBEDDINGS = "decoder.speakers.weight"


def enroll(trained: TrainedModel, content: dict[str, Any], recordings: Sequence[Samples], name: str) -> dict[str, Any]:
    """Return the content of a checkpoint that knows one more speaker.

    Its embedding is fitted so that the decoder says the recordings' codes as they were said; it begins as that of
    the known speaker who is nearest. Nothing else of the model changes, by a single bit. Training cannot be
    continued from the result.

    Parameters
    ----------
    trained, content
        A checkpoint, as a model and as it was read.
    recordings
        Samples (N,) at the model's rate; 30 s in all are enough.
    name
        Of the speaker.

    Raises
    ------
    DataError
        The name is taken or has white space, `,` or `:`, or there are fewer than 5 s of speech.
    """
    _check_name(trained, name)
    rate, hop = trained.config.features.sample_rate, trained.config.features.hop_length
    seconds = sum(map(len, recordings)) / rate
    if seconds < LEAST:
        raise DataError(f"{name}: {seconds:.1f} s of speech; record {LEAST:g} s or more, better 30 s")
    embedding = fit_embedding(trained, recordings)
    pitch = speaker_pitch(quick_f0(samples, rate, hop) for samples in recordings)
    model = dict(content["model"])
    model[EMBEDDINGS] = torch.cat([model[EMBEDDINGS], embedding.to(model[EMBEDDINGS])])
    found = {name: [pitch.log_mean, pitch.log_std]} if pitch else {}
    kept = {key: value for key, value in content.items() if key != "digest"}
    return kept | {
        "speakers": [*content["speakers"], name],
        "pitch": content["pitch"] | found,
        "model": model,
        "training": {},
    }


def fit_embedding(trained: TrainedModel, recordings: Sequence[Samples]) -> Float[Tensor, "1 S"]:
    """Return the embedding with which the decoder is nearest to the recordings' log-mel."""
    decoder = trained.model.decoder
    with torch.inference_mode():
        mels = [trained.features(samples) for samples in recordings]
        codes = torch.cat([trained.model.quantize(mel).z for mel in mels], dim=1)[0]
        wanted = torch.cat([target(mel) for mel in mels], dim=1)[0]
    # Out of inference mode: what autograd saves must be ordinary tensors.
    codes, wanted = codes.clone(), wanted.clone()
    generator = torch.Generator().manual_seed(0)

    def error(embedding: Tensor) -> Tensor:
        length = min(CODES, len(codes))
        starts = torch.randint(len(codes) - length + 1, (BATCH,), generator=generator).to(codes.device)
        index = starts.unsqueeze(1) + torch.arange(length, device=codes.device)
        frames = (2 * starts).unsqueeze(1) + torch.arange(2 * length, device=codes.device)
        return mean_squared_error(decoder.speak(codes[index], embedding.expand(BATCH, -1)), wanted[frames])

    with torch.inference_mode():
        errors = [error(known.unsqueeze(0)) for known in decoder.speakers.weight]
    nearest = int(torch.stack(errors).argmin())
    embedding = decoder.speakers.weight[nearest : nearest + 1].detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([embedding], lr=LEARNING_RATE)
    for _ in track(range(STEPS), "enrolling", STEPS):
        (embedding.grad,) = torch.autograd.grad(error(embedding), [embedding])
        optimizer.step()
    return embedding.detach()


def _check_name(trained: TrainedModel, name: str) -> None:
    if not name or set(name) & set(",: \t\n") or name in ("all", "source"):
        raise DataError(f"--name {name!r}: a name has no white space, comma or colon, and is not all or source")
    if name in trained.speakers:
        raise DataError(f"--name {name}: the model has a speaker of this name; choose another")
