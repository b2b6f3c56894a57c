"""Units and conversions of a language, written into the tree of a submission."""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.atomic import write_text
from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.conversion.voices import find_voice
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import ConfigError
from sqspeech.failures import Failures
from sqspeech.progress import track
from sqspeech.quantizers.distance import weighted_distance
from sqspeech.quantizers.gaussian_sq import GaussianSQ
from sqspeech.submission.tree import AUXILIARY, SAMPLE_RATE, TEST, Part
from sqspeech.units import UnitInfo, Units


class Representation(StrEnum):
    """What a line of a units file is; its text is what the metadata say of it."""

    vectors = "the codeword of each unit"
    one_hot = "each unit as a one-hot vector"
    posteriors = "the probability of each codeword"
    continuous = "the encoder's output before quantisation"


def build(converter: Converter, part: Part, submission: Path, representations: Sequence[Representation]) -> Failures:
    """Write the units and the conversions of a language, and return what could not be made.

    Parameters
    ----------
    converter
        The model and the vocoder.
    part
        What is to be written.
    submission
        The root of the tree.
    representations
        That of `test`, then those of the auxiliary embeddings, two at most.

    Raises
    ------
    ConfigError
        The model has no codebook, or no posteriors where they are asked for.
    DataError
        The model does not know a voice.
    """
    trained, folder, failures = converter.trained, part.folder(submission), Failures()
    _check(trained, part, representations)
    folders = [folder / name for name in (TEST, *AUXILIARY)]
    for name, utterance in track(part.utterances.items(), "units", len(part.utterances)):
        with failures.skipping(utterance.utt_id):
            units = extract(trained, utterance.read(trained.config.features.sample_rate))
            for place, representation in zip(folders, representations, strict=False):
                write_text(place / name, text(_matrix(trained, units, representation)))
    for name, (utterance, voice) in track(part.conversions.items(), "conversions", len(part.conversions)):
        with failures.skipping(name):
            audio.write(folder / TEST / name, _convert(converter, utterance, voice), SAMPLE_RATE)
    return failures


def system(converter: Converter) -> str:
    """Return the sizes of the model, for the description of the system."""
    config, info = converter.trained.config, UnitInfo.of(converter.trained)
    dim = converter.trained.model.quantizer.dim
    return (
        f"{config.quantizer.name}, {info.codebook_size} codewords of {dim} dimensions, "
        f"{info.frame_rate:g} units a second, {config.training.steps} steps; vocoder {converter.vocoder.name}; "
        f"sqspeech {info.version}"
    )


@torch.inference_mode()
def extract(trained: TrainedModel, samples: NDArray[np.float32]) -> Units:
    """Return all that is known of the units of samples (N,); no posteriors where the quantiser has none."""
    quantizer = trained.model.quantizer
    z, extra = trained.model._latents(trained.features(samples))
    codes = quantizer.encode(z, extra)
    posteriors = None
    if isinstance(quantizer, GaussianSQ):
        weight = torch.exp(-quantizer._log_variance(extra, None))
        posteriors = torch.softmax(-0.5 * weighted_distance(z, weight, quantizer.codebook), -1)[0].cpu().numpy()
    return Units(
        codes=codes[0].cpu().numpy(),
        vectors=quantizer.lookup(codes)[0].cpu().numpy(),
        posteriors=posteriors,
        continuous=z[0].cpu().numpy(),
    )


def text(matrix: NDArray[np.float32]) -> str:
    """Return a frame a line, with digits enough that single precision is read back as it was."""
    return "".join(_line(row.tobytes()) for row in np.ascontiguousarray(matrix, np.float32))


@lru_cache(maxsize=1024)
def _line(row: bytes) -> str:
    return " ".join(map("{:.9g}".format, np.frombuffer(row, np.float32).tolist())) + "\n"


def _check(trained: TrainedModel, part: Part, representations: Sequence[Representation]) -> None:
    UnitInfo.of(trained)  # refuses a model without a codebook
    if Representation.posteriors in representations and not isinstance(trained.model.quantizer, GaussianSQ):
        raise ConfigError("posteriors: only the quantizer gaussian_sq has them; take continuous instead")
    for voice in {voice for _, voice in part.conversions.values()}:
        find_voice(trained, voice)


def _matrix(trained: TrainedModel, units: Units, representation: Representation) -> NDArray[np.float32]:
    if representation is Representation.one_hot:
        size = trained.model.quantizer.codebook_size
        return np.equal.outer(units.codes, np.arange(size or 0)).astype(np.float32)
    matrix: NDArray[np.float32] | None = getattr(units, representation.name)
    assert matrix is not None
    return matrix


def _convert(converter: Converter, utterance: Utterance, voice: str) -> NDArray[np.float32]:
    samples = utterance.read(converter.sample_rate)
    converted, rate = converter.convert(samples, converter.sample_rate, to=voice, source=utterance.spk_id)
    if rate != SAMPLE_RATE:
        converted = audio.resample(converted, rate, SAMPLE_RATE)
    return converted / max(1.0, float(np.abs(converted).max()))
