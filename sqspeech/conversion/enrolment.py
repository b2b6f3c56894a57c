"""A new speaker for a trained model, from a little speech."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sqspeech.atomic import atomic_path
from sqspeech.checkpoint import TrainedModel, read_checkpoint, write_content
from sqspeech.codec.inputs import Samples
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.failures import Failures
from sqspeech.models.sqvae import mean_squared_error
from sqspeech.pitch import quick_f0, speaker_pitch
from sqspeech.progress import track
from sqspeech.quantizers.precision import full_precision

STEPS, BATCH, CODES, LEARNING_RATE = 300, 16, 48, 0.02
# In seconds; less does not separate a speaker from the sentences.
LEAST = 5.0
EMBEDDINGS = "decoder.speakers.weight"


def enroll_recordings(
    checkpoint: Path,
    utterances: Sequence[Utterance],
    name: str,
    output: Path,
    failures: Failures,
    *,
    strict: bool = False,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
) -> float:
    """Write a checkpoint that knows one more speaker, and return of how many seconds of speech; see `enroll`.

    `failures` takes the recordings that cannot be used.

    Raises
    ------
    DataError
        See `enroll`; or no recording can be used or, where it is `strict`, not all can.
    CheckpointError
        See `sqspeech.checkpoint.read_checkpoint`.
    SqspeechError
        The checkpoint cannot be written.
    """
    trained, recordings = TrainedModel.load(checkpoint, device), list[Samples]()
    rate = trained.config.features.sample_rate
    for utterance in utterances:
        with failures.skipping(utterance.utt_id), utterance.open() as file:
            recordings.append(file.read(rate))
            failures.notes.update({utterance.utt_id: note} if (note := file.note(rate)) else {})
    failures.check(len(recordings), strict=strict)
    content = enroll(trained, read_checkpoint(checkpoint, device), recordings, name)
    with atomic_path(output) as temporary:
        write_content(temporary, content)
    return sum(map(len, recordings)) / rate


def enroll(trained: TrainedModel, content: dict[str, Any], recordings: Sequence[Samples], name: str) -> dict[str, Any]:
    """Return the content of a checkpoint that knows one more speaker.

    Its embedding is fitted so that the decoder reconstructs the recordings from their codes; it begins as that of
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
    with torch.inference_mode():
        mels = [trained.features(samples) for samples in recordings]
    embedding = fit_embedding(trained, mels)
    pitch = speaker_pitch(quick_f0(samples, rate, hop) for samples in recordings)
    model = dict(content["model"])
    model[EMBEDDINGS] = torch.cat([model[EMBEDDINGS], embedding.to(model[EMBEDDINGS])])
    found = {name: [pitch.log_mean, pitch.log_std]} if pitch else {}
    kept = {key: value for key, value in content.items() if key != "digest"}
    return kept | {
        "speakers": [*content["speakers"], name],
        "pitch": content["pitch"] | found,
        "bands": content.get("bands", {}) | {name: torch.cat(mels, dim=1)[0].double().mean(0).tolist()},
        "model": model,
        "training": {},
        "ancestors": list(trained.same_units),
    }


def fit_embedding(trained: TrainedModel, mels: Sequence[Float[Tensor, "1 T M"]]) -> Float[Tensor, "1 S"]:
    """Return the embedding with which the decoder is nearest to recordings' log-mel, in IEEE single precision."""
    decoder = trained.model.decoder
    with full_precision(trained.device), _can_be_fitted(cast("nn.Module", decoder)):
        codes, wanted = _codes_and_target(trained, mels)
        length, known = min(CODES, len(codes)), decoder.speakers.weight.detach()
        # All at once: each draw would have to wait until the device has its starts.
        starts = torch.randint(
            len(codes) - length + 1, (len(known) + STEPS, BATCH), generator=torch.Generator().manual_seed(0)
        ).to(codes.device)
        stride = trained.model.geometry.stride
        within = torch.arange(stride * length, device=codes.device)

        def error(embedding: Tensor, first: Tensor) -> Tensor:
            decoded = decoder.decode(codes[first[:, None] + within[:length]], embedding.expand(BATCH, -1))
            return mean_squared_error(decoded, wanted[stride * first[:, None] + within])

        with torch.inference_mode():
            errors = [error(row.unsqueeze(0), first) for row, first in zip(known, starts, strict=False)]
        nearest = int(torch.stack(errors).argmin())
        embedding = known[nearest : nearest + 1].clone().requires_grad_()
        optimizer = torch.optim.Adam([embedding], lr=LEARNING_RATE)
        for first in track(starts[len(known) :], "enrolling", STEPS):
            (embedding.grad,) = torch.autograd.grad(error(embedding, first), [embedding])
            optimizer.step()
    return embedding.detach()


def _codes_and_target(trained: TrainedModel, mels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the quantised latents (L, D) of all recordings, and the log-mel (L · stride, M) that they describe."""
    with torch.inference_mode():
        codes = torch.cat([trained.model.quantize(mel).z for mel in mels], dim=1)[0]
        wanted = torch.cat([trained.model.geometry.target(mel) for mel in mels], dim=1)[0]
    # Out of inference mode: what autograd saves must be ordinary tensors.
    return codes.clone(), wanted.clone()


@contextmanager
def _can_be_fitted(decoder: nn.Module) -> Iterator[None]:
    """Put recurrent networks into training mode: in eval mode cuDNN has no backward pass for them.

    Without dropout their output is the same.
    """
    recurrent = [module for module in decoder.modules() if isinstance(module, nn.RNNBase)]
    for module in recurrent:
        module.train()
    try:
        yield
    finally:
        for module in recurrent:
            module.eval()


def _check_name(trained: TrainedModel, name: str) -> None:
    if not name or set(name) & set(",: \t\n") or name in ("all", "source"):
        raise DataError(f"--name {name!r}: a name has no white space, comma or colon, and is not all or source")
    if name in trained.speakers:
        raise DataError(f"--name {name}: the model has a speaker of this name; choose another")
