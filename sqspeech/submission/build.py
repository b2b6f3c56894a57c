"""Units and conversions of a language, written into the tree of a submission."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.atomic import write_text
from sqspeech.codec.speakers import find_speaker
from sqspeech.conversion import Converter
from sqspeech.data.data_dir import Utterance
from sqspeech.failures import Failures
from sqspeech.progress import track
from sqspeech.submission.tree import AUXILIARY, SAMPLE_RATE, TEST, Part
from sqspeech.units import MATRICES, UnitExtractor, UnitInfo, Units
from sqspeech.units.formats.zerospeech import text_of


class Representation(StrEnum):
    """Kind of a line of a units file; its text stands in the metadata."""

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
    extractor, folder, failures = UnitExtractor(converter.trained), part.folder(submission), Failures()
    for voice in {voice for _, voice in part.conversions.values()}:
        find_speaker(converter.trained, voice)
    matrices = [name for name in MATRICES if Representation[name] in representations]
    extractor.codec.check_matrices(matrices)
    folders = [folder / name for name in (TEST, *AUXILIARY)]
    for name, utterance in track(part.utterances.items(), "units", len(part.utterances)):
        with failures.skipping(utterance.utt_id):
            samples = utterance.read(extractor.sample_rate)
            units = extractor.extract(samples, extractor.sample_rate, matrices=matrices)
            for place, representation in zip(folders, representations, strict=False):
                write_text(place / name, text_of(_matrix(extractor, units, representation)))
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


def _matrix(extractor: UnitExtractor, units: Units, representation: Representation) -> NDArray[np.float32]:
    if representation is Representation.one_hot:
        return np.equal.outer(units.codes, np.arange(extractor.info.codebook_size)).astype(np.float32)
    matrix: NDArray[np.float32] | None = getattr(units, representation.name)
    assert matrix is not None
    return matrix


def _convert(converter: Converter, utterance: Utterance, voice: str) -> NDArray[np.float32]:
    samples = utterance.read(converter.sample_rate)
    # Of the codes alone, whose bits the challenge counts.
    converted, rate = converter.convert(samples, converter.sample_rate, to=voice, source=utterance.spk_id, coded=True)
    if rate != SAMPLE_RATE:
        converted = audio.resample(converted, rate, SAMPLE_RATE)
    return converted / max(1.0, float(np.abs(converted).max()))
