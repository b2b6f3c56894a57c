"""Evaluation of a trained model on a data directory."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.corpus import DIED, Processes, Workers, map_locally_or_in_order
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion.evaluate import measure_conversion
from sqspeech.evaluation.conversion.pairs import parallel_pairs
from sqspeech.evaluation.conversion.parallel_text import AnalysedUtterance, measure_parallel
from sqspeech.evaluation.conversion.synthesis import CONVERSION, Synthesis, SynthesisRequest, SyntheticSpeech
from sqspeech.evaluation.metrics.abx import abx
from sqspeech.evaluation.metrics.bitrate import bitrate
from sqspeech.evaluation.metrics.codebook import codebook_figures, usage_by_stage
from sqspeech.evaluation.metrics.invariance import unit_edit_distances
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.reconstruction import measure_reconstruction
from sqspeech.evaluation.metrics.symbols import Codes
from sqspeech.evaluation.speech.evaluate import JudgeOptions, SpeechEvaluation, judge_recordings
from sqspeech.evaluation.units.mfcc import mfcc
from sqspeech.failures import Failures
from sqspeech.features import LogMel
from sqspeech.models.geometry import centres
from sqspeech.progress import track

type Recordings = dict[str, NDArray[np.float32]]


def evaluate(
    trained: TrainedModel,
    data: DataDir,
    *,
    item: Path | None = None,
    parallel: bool = False,
    conversion: tuple[Path, DataDir] | None = None,
    invariance: bool = False,
    judges: JudgeOptions | None = None,
    vocoder: str | None = None,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
) -> tuple[dict[str, Any], Failures]:
    """Measure reconstruction, codebook and bitrate; also ABX where `item` is given, and the rest on request.

    Parameters
    ----------
    trained
        The model.
    data
        Utterances of the model's speakers.
    item
        A ZeroSpeech item file over `data`, for ABX of the code vectors and of MFCC.
    parallel
        Convert between speakers who read the same text, and compare with the target's recording.
    conversion
        Pairs over `data`, and natural speech of the training set (see `measure_conversion`).
    invariance
        Compare the units with those of the recordings at another pitch or tempo, and with noise.
    judges
        Judges of the recordings, their copies and reconstructions, and the conversions to pairs where these are given.
    vocoder
        The vocoder of what is synthesised; see `Converter`.
    workers
        Who synthesises it.

    Returns
    -------
    metrics
        Plain values by name.
    failures
        The utterances that could not be used.
    """
    phones = ItemFile.read(item) if item else None
    failures = Failures()
    recordings: Recordings = {}
    config = trained.config.features
    converter = Converter(trained, vocoder)
    judged = SpeechEvaluation(judges, converter.codec, failures) if judges else None
    inputs = _inputs(trained, data, recordings, failures)
    reconstruction = measure_reconstruction(trained.model, inputs, config.top_db)
    used = data.subset(recordings)
    seconds = sum(map(len, recordings.values())) / config.sample_rate
    metrics: dict[str, Any] = {
        "checkpoint": trained.digest,
        "mse_db2": reconstruction.mse_db2,
        "feature_variance_db2": reconstruction.feature_variance_db2,
        "utterances": len(used),
        "seconds": seconds,
    }
    if trained.model.quantizer.codebook_size:
        metrics |= _codebook(reconstruction.codes, trained.model.quantizer.codebook_size, seconds)
    if phones:
        metrics |= _abx(trained, phones, recordings, reconstruction.latents, failures)
    if invariance:
        metrics["unit_edit_distance"] = unit_edit_distances(converter.codec, recordings, failures)
    if judged:
        judged.prepare()
    if parallel:
        metrics["parallel"] = _parallel(converter, used, recordings, workers)
    if conversion:
        metrics["conversion"], left_out = measure_conversion(
            converter, used, recordings, *conversion, judged=judged, workers=workers
        )
        failures.absorb(left_out)
    elif judged:
        failures.absorb(judge_recordings(judged, converter, used, recordings, workers))
    if judged:
        metrics |= judged.metrics(reconstruction.codes, seconds)
    return metrics, failures


def _inputs(
    trained: TrainedModel, data: DataDir, recordings: Recordings, failures: Failures
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the log-mel and the speaker of each usable utterance, and keep its samples."""
    for utterance in track(data, "reconstruction", len(data)):
        with failures.skipping(utterance.utt_id):
            speaker = trained.speaker_index(utterance.spk_id)
            samples = utterance.read(trained.config.features.sample_rate)
            mel = trained.features(samples)
            recordings[utterance.utt_id] = samples
            yield mel, speaker
    failures.check(len(recordings), strict=False)


def _codebook(codes: Sequence[Codes], codebook_size: int, seconds: float) -> dict[str, Any]:
    counts = usage_by_stage(codes, codebook_size)
    return {
        **codebook_figures(counts),
        "codebook_size": codebook_size,
        "bitrate": bitrate(codes, seconds),
        "usage": (counts if len(counts) > 1 else counts[0]).tolist(),
    }


def _abx(
    trained: TrainedModel,
    item: ItemFile,
    recordings: Recordings,
    latents: Sequence[NDArray[np.float32]],
    failures: Failures,
) -> dict[str, float]:
    config, geometry = trained.config.features, trained.model.geometry
    rate, offset = geometry.frame_rate(config), geometry.offset(config)
    units = {utt: (z, centres(rate, offset, len(z))) for utt, z in zip(recordings, latents, strict=True)}
    baseline = {utt: mfcc(samples, config.sample_rate) for utt, samples in recordings.items()}
    scores, reference = (abx(item, features, left_out=failures.reasons) for features in (units, baseline))
    return {
        "abx_within": scores.within,
        "abx_across": scores.across,
        "abx_within_mfcc": reference.within,
        "abx_across_mfcc": reference.across,
    }


def _parallel(converter: Converter, data: DataDir, recordings: Recordings, workers: Workers) -> dict[str, float | None]:
    pairs = list(parallel_pairs(data))
    if not pairs:
        raise DataError(
            "no two speakers (of opposite gender, where spk2gender tells) share a text; leave --parallel out"
        )
    log_mel = LogMel(converter.trained.config.features)
    names = dict.fromkeys(utterance.utt_id for pair in pairs for utterance in pair)
    natural = {name: AnalysedUtterance(recordings[name], log_mel) for name in names}
    wanted = (
        SynthesisRequest(samples=recordings[source.utt_id], speaker=source.spk_id, target=target.spk_id)
        for source, target in pairs
    )
    with closing(map_locally_or_in_order(Synthesis(converter), wanted, workers, died=lambda request: DIED)) as made:
        tracked = zip(pairs, track(made, "converting", len(pairs)), strict=True)
        triples = ((_analysed(speech, log_mel), natural[s.utt_id], natural[t.utt_id]) for (s, t), speech in tracked)
        scores = asdict(measure_parallel(triples))
    return {name: value if isfinite(value) else None for name, value in scores.items()}  # JSON has no NaN


def _analysed(made: SyntheticSpeech | str, log_mel: LogMel) -> AnalysedUtterance:
    if isinstance(made, str):
        raise DataError(made)
    return AnalysedUtterance(made.speech[CONVERSION], log_mel)
