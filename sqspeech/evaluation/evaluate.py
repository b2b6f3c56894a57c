"""Everything that is measured of a model on a data directory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import permutations
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.evaluation.abx import abx
from sqspeech.evaluation.bitrate import bitrate
from sqspeech.evaluation.codebook import active_codes, perplexity, usage
from sqspeech.evaluation.conversion import measure_conversion
from sqspeech.evaluation.mfcc import mfcc
from sqspeech.evaluation.parallel_text import measure_parallel
from sqspeech.evaluation.reconstruction import measure_reconstruction
from sqspeech.failures import Failures
from sqspeech.models.geometry import centres
from sqspeech.progress import track
from sqspeech.vocoders import build_vocoder

Recordings = dict[str, NDArray[np.float32]]


def evaluate(
    trained: TrainedModel,
    data: DataDir,
    *,
    item: Path | None = None,
    parallel: bool = False,
    conversion: tuple[Path, DataDir] | None = None,
    vocoder: str = "world",
) -> tuple[dict[str, Any], Failures]:
    """Measure reconstruction, codebook and bitrate, ABX where `item` is given, and conversion where it is asked for.

    Parameters
    ----------
    trained
        The model.
    data
        Utterances of speakers that the model knows.
    item
        A ZeroSpeech item file over `data`; the units' code vectors and MFCC are compared on it.
    parallel
        Convert between speakers who say the same text, and compare with what the target says.
    conversion
        Pairs over `data`, and the natural training speech (see `measure_conversion`).
    vocoder
        With which conversion is measured.

    Returns
    -------
    metrics
        By name, plain values.
    failures
        The utterances that could not be used.
    """
    failures = Failures()
    recordings = _read(trained, data, failures)
    failures.check(len(recordings), strict=False)
    used = data.subset(recordings)
    reconstruction = measure_reconstruction(
        trained.model,
        ((trained.features(recordings[u.utt_id]), trained.speaker_index(u.spk_id)) for u in used),
        trained.config.features.top_db,
    )
    seconds = sum(map(len, recordings.values())) / trained.config.features.sample_rate
    metrics: dict[str, Any] = {
        "mse_db2": reconstruction.mse_db2,
        "feature_variance_db2": reconstruction.feature_variance_db2,
        "utterances": len(used),
        "seconds": seconds,
    }
    if trained.model.quantizer.codebook_size:
        metrics |= _codebook(reconstruction.codes, trained.model.quantizer.codebook_size, seconds)
    if item:
        metrics |= _abx(trained, item, recordings, reconstruction.latents, failures)
    converter = Converter(trained, build_vocoder(vocoder, trained.config.features))
    if parallel:
        metrics["parallel"] = _parallel(converter, used, recordings)
    if conversion:
        metrics["conversion"], left_out = measure_conversion(converter, used, *conversion)
        failures.reasons.update(left_out.reasons)
    return metrics, failures


def _codebook(codes: Sequence[NDArray[np.int64]], codebook_size: int, seconds: float) -> dict[str, Any]:
    counts = usage(codes, codebook_size)
    return {
        "perplexity": perplexity(counts),
        "active_codes": active_codes(counts),
        "codebook_size": codebook_size,
        "bitrate": bitrate(codes, seconds),
        "usage": counts.tolist(),
    }


def _read(trained: TrainedModel, data: DataDir, failures: Failures) -> Recordings:
    recordings: Recordings = {}
    for utterance in track(data, "reading", len(data)):
        with failures.skipping(utterance.utt_id):
            trained.speaker_index(utterance.spk_id)
            samples = utterance.read(trained.config.features.sample_rate)
            trained.features(samples)
            recordings[utterance.utt_id] = samples
    return recordings


def _abx(
    trained: TrainedModel,
    item: Path,
    recordings: Recordings,
    latents: Sequence[NDArray[np.float32]],
    failures: Failures,
) -> dict[str, float]:
    config = trained.config.features
    geometry = trained.model.geometry
    timing = geometry.frame_rate(config), geometry.offset(config)
    units = {utt: (z, centres(*timing, len(z))) for utt, z in zip(recordings, latents, strict=True)}
    baseline = {utt: mfcc(samples, config.sample_rate) for utt, samples in recordings.items()}
    scores, reference = (abx(item, features, left_out=failures.reasons) for features in (units, baseline))
    return {
        "abx_within": scores.within,
        "abx_across": scores.across,
        "abx_within_mfcc": reference.within,
        "abx_across_mfcc": reference.across,
    }


def _parallel(converter: Converter, data: DataDir, recordings: Recordings) -> dict[str, float | None]:
    pairs = list(parallel_pairs(data))
    if not pairs:
        raise DataError(
            "no two speakers (of opposite gender, where spk2gender tells) share a text; leave --parallel out"
        )
    rate = converter.sample_rate
    triples = (
        (
            converter.convert(recordings[s.utt_id], rate, to=t.spk_id, source=s.spk_id)[0],
            recordings[s.utt_id],
            recordings[t.utt_id],
        )
        for s, t in track(pairs, "converting", len(pairs))
    )
    scores = asdict(measure_parallel(triples, converter.trained.config.features))
    return {name: value if isfinite(value) else None for name, value in scores.items()}  # JSON has no NaN


def parallel_pairs(data: DataDir) -> Iterator[tuple[Utterance, Utterance]]:
    """Yield, for each ordered pair of speakers of opposite gender, a source and a target of the same text.

    Every pair has one text, and the texts take turns. Where the genders are not known, all pairs count.
    """
    by_text: dict[str, dict[str, Utterance]] = defaultdict(dict)
    for utterance in data:
        if utterance.text is not None:
            by_text[utterance.text][utterance.spk_id] = utterance
    texts = list(by_text.values())
    for number, (source, target) in enumerate(permutations(data.speakers, 2)):
        gender = data.spk2gender.get(source), data.spk2gender.get(target)
        shared = [spoken for spoken in texts if source in spoken and target in spoken]
        if shared and (None in gender or gender[0] != gender[1]):
            spoken = shared[number % len(shared)]
            yield spoken[source], spoken[target]
