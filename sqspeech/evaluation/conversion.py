"""Cost of the vocoder, the units and another speaker, each alone: distances, speaker, pitch and content."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torchaudio
from numpy.typing import NDArray

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter, plan
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.evaluation.mcd import Analysis, align, cepstral_distortion
from sqspeech.evaluation.speaker_classifier import SpeakerClassifier
from sqspeech.failures import Failures
from sqspeech.pitch import quick_f0
from sqspeech.progress import track
from sqspeech.units import UnitExtractor

type Samples = NDArray[np.float32]

# One F0 value is no curve.
FEW = 10


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one spoken utterance; None where there is nothing to compare it with.

    Attributes
    ----------
    mcd_db, mcd_c0_db
        Mel-cepstral distortion to the reference, c0 left out of it and in it.
    f0_rmse_semitones, f0_correlation
        Of ln F0, over frames voiced in both.
    voicing_error
        The share of frames, in %, that are voiced in one of the two only.
    pitch_semitones
        From the median F0 to the target speaker's, without a sign.
    speaker
        100 where it sounds like the target to the classifier, else 0.
    unit_error
        The edit distance of its units to the source's, in % of these; None without a codebook.
    """

    mcd_db: float | None
    mcd_c0_db: float | None
    f0_rmse_semitones: float | None
    f0_correlation: float | None
    voicing_error: float | None
    pitch_semitones: float | None
    speaker: float
    unit_error: float | None


def measure_conversion(
    converter: Converter, data: DataDir, pairs: Path, train: DataDir
) -> tuple[dict[str, Any], Failures]:
    """Return the means of the scores, by what was done to the speech.

    `copy`: the vocoder's, of natural log-mels, against the recording. `reconstruction`: the source's own voice,
    against the recording. `conversion` (and `same_gender`, `cross_gender`, where both are known): against what the
    target says, where `data` has the same text from it.

    Parameters
    ----------
    converter
        The model and the vocoder.
    data
        Natural speech that the model was not trained on.
    pairs
        Lines of `utterance speaker target` over `data`.
    train
        Natural speech of the same speakers for the classifier.

    Raises
    ------
    DataError
        The pairs are malformed, name what is not there, or none of them can be used.
    """
    rate, failures = converter.sample_rate, Failures()
    jobs = plan(list(data), [], pairs, [])
    classifier = SpeakerClassifier([(u.read(rate), u.spk_id) for u in track(train, "voices", len(train))], rate)
    natural = [(u.read(rate), u.spk_id) for u in data]
    judge = _Judge(converter.trained, classifier)
    found: dict[str, list[Scores]] = defaultdict(list)
    seconds = elapsed = 0.0
    for number, job in enumerate(track(jobs, "converting", len(jobs))):
        source, (target,) = job.utterance, job.targets
        with failures.skipping(f"{source.utt_id}-to-{target}"):
            samples = source.read(rate)
            if source.utt_id not in {job.utterance.utt_id for job in jobs[:number]}:
                own = converter.convert(samples, rate, to=source.spk_id, source=source.spk_id)[0]
                found["copy"].append(judge(converter.copy(samples), source.spk_id, samples, samples))
                found["reconstruction"].append(judge(own, source.spk_id, samples, samples))
            began = time.process_time()
            converted, _ = converter.convert(samples, rate, to=target, source=source.spk_id)
            seconds, elapsed = seconds + len(samples) / rate, elapsed + time.process_time() - began
            parallel = _parallel(data, source, target)
            scores = judge(converted, target, samples, parallel.read(rate) if parallel else None)
            for name in ("conversion", *_genders(data, source.spk_id, target)):
                found[name].append(scores)
    failures.check(len(found["conversion"]), strict=False)
    return {
        "vocoder": converter.vocoder.name,
        "natural_speaker": classifier.accuracy(natural),
        "real_time_factor": elapsed / seconds,
        **{name: _means(rows) for name, rows in found.items()},
    }, failures


class _Judge:
    def __init__(self, trained: TrainedModel, classifier: SpeakerClassifier) -> None:
        self.trained, self.classifier = trained, classifier
        has_units = trained.model.quantizer.codebook_size is not None
        self.extractor = UnitExtractor(trained) if has_units else None

    def __call__(self, spoken: Samples, speaker: str, source: Samples, reference: Samples | None) -> Scores:
        return Scores(
            **_distances(spoken, reference, self.trained.config.features.sample_rate),
            pitch_semitones=self._from_target(spoken, speaker),
            speaker=100.0 * (self.classifier.classify(spoken) == speaker),
            unit_error=self._unit_error(spoken, source),
        )

    def _from_target(self, spoken: Samples, speaker: str) -> float | None:
        config, target = self.trained.config.features, self.trained.pitch.get(speaker)
        f0 = quick_f0(spoken, config.sample_rate, config.hop_length)
        if target is None or not (f0 > 0).any():
            return None
        return float(abs(12 * np.log2(np.median(f0[f0 > 0]) / target.median_hz)))

    def _unit_error(self, spoken: Samples, source: Samples) -> float | None:
        if self.extractor is None:
            return None
        wanted, found = (units.codes.tolist() for units in self.extractor.extract_many([source, spoken]))
        return 100 * float(torchaudio.functional.edit_distance(found, wanted)) / len(wanted)


def _distances(spoken: Samples, reference: Samples | None, sample_rate: int) -> dict[str, float | None]:
    names = ("mcd_db", "mcd_c0_db", "f0_rmse_semitones", "f0_correlation", "voicing_error")
    if reference is None:
        return dict.fromkeys(names)
    a, b = (Analysis(samples, sample_rate) for samples in (spoken, reference))
    path = align(a, b)
    one, other = a.f0[path[:, 0]], b.f0[path[:, 1]]
    both = (one > 0) & (other > 0)
    semitones = 12 * np.log2(one[both]), 12 * np.log2(other[both])
    rmse = correlation = None
    if both.sum() >= FEW:
        rmse = float(np.sqrt(np.mean((semitones[0] - semitones[1]) ** 2)))
        correlation = float(np.corrcoef(*semitones)[0, 1]) if min(np.ptp(values) for values in semitones) else None
    voicing = 100 * float(np.mean((one > 0) != (other > 0)))
    values = (cepstral_distortion(a, b, path), cepstral_distortion(a, b, path, 0), rmse, correlation, voicing)
    return dict(zip(names, values, strict=True))


def _parallel(data: DataDir, source: Utterance, target: str) -> Utterance | None:
    same = (u for u in data if u.spk_id == target and u.text == source.text and u.text is not None)
    return next(same, None)


def _genders(data: DataDir, source: str, target: str) -> tuple[str, ...]:
    one, other = data.spk2gender.get(source), data.spk2gender.get(target)
    if one is None or other is None:
        return ()
    return ("same_gender",) if one == other else ("cross_gender",)


def _means(rows: Sequence[Scores]) -> dict[str, float | None]:
    columns: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in asdict(row).items():
            columns[name] += [] if value is None else [value]
    return {"count": float(len(rows)), **{name: float(np.mean(v)) if v else None for name, v in columns.items()}}
