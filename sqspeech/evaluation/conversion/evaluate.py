"""Evaluation of conversions: the loss by the vocoder, by the units and by another speaker, each alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.conversion import ConversionRequest, Converter, plan
from sqspeech.corpus import DIED, Processes, Workers, map_locally_or_in_order
from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.conversion.pairs import gender_kinds, same_text
from sqspeech.evaluation.conversion.synthesis import (
    CONVERSION,
    COPY,
    RECONSTRUCTION,
    Synthesis,
    SynthesisRequest,
    SyntheticSpeech,
)
from sqspeech.evaluation.metrics.conversion_metric import (
    CONVERSION_METRICS,
    ConversionTestData,
    ConvertedUtterance,
    Samples,
    Speech,
)
from sqspeech.evaluation.speech.evaluate import SpeechEvaluation
from sqspeech.failures import Failures
from sqspeech.progress import track

type Values = dict[str, float | None]


def measure_conversion(
    converter: Converter,
    data: DataDir,
    recordings: Mapping[str, Samples],
    pairs: Path,
    train: DataDir,
    *,
    judged: SpeechEvaluation | None = None,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
) -> tuple[dict[str, Any], Failures]:
    """Return the means of all registered metrics, for three kinds of synthetic speech.

    `copy`: vocoded from the recording's own log-mel, compared with the recording. `reconstruction`: decoded with the
    source's own speaker, compared with the recording. `conversion` (and `same_gender`, `cross_gender`, where both are
    known): compared with a recording of the same text by the target speaker, where `data` has one.

    Parameters
    ----------
    converter
        The model and the vocoder.
    data
        Natural speech that is not in the model's training set.
    recordings
        Samples (N,) of each utterance of `data` by its id, at the model's rate.
    pairs
        Lines of `utterance speaker target` over `data`.
    train
        Natural speech of the same speakers, for the classifier.
    judged
        Judges to whom the recordings and the synthetic speech are given.
    workers
        Who synthesises; the figures are the same but for the real-time factor, which is measured.

    Raises
    ------
    DataError
        The pairs are malformed, name an unknown utterance, or none of them can be used.
    """
    requests = plan(list(data), [], pairs, [])
    evaluation = _ConversionEvaluation(converter, data, recordings, train, judged)
    wanted = evaluation.wanted(requests)
    with closing(map_locally_or_in_order(Synthesis(converter), wanted, workers, died=lambda request: DIED)) as made:
        for request, speech in zip(requests, track(made, "converting", len(requests)), strict=True):
            evaluation.add(request, speech)
    evaluation.failures.check(len(evaluation.values["conversion"]), strict=False)
    return evaluation.metrics(), evaluation.failures


class _ConversionEvaluation:
    """Values of the metrics so far; each recording is analysed once."""

    def __init__(
        self,
        converter: Converter,
        data: DataDir,
        recordings: Mapping[str, Samples],
        train: DataDir,
        judged: SpeechEvaluation | None,
    ) -> None:
        self.converter, self.data, self.failures, self._judged = converter, data, Failures(), judged
        self.values: dict[str, list[Values]] = defaultdict(list)
        trained = converter.trained
        self._genders = train.spk2gender | data.spk2gender  # a target need not be in `data`
        self._codec = converter.codec if trained.model.quantizer.codebook_size is not None else None
        self._recordings = {name: self._speech(samples) for name, samples in recordings.items()}
        self._test = ConversionTestData(
            sample_rate=converter.sample_rate,
            hop_length=trained.config.features.hop_length,
            pitch=trained.pitch,
            test=[(recordings[utterance.utt_id], utterance.spk_id) for utterance in data],
            train=train,
        )
        self._metrics = [CONVERSION_METRICS[name](self._test) for name in CONVERSION_METRICS.names()]
        self._seconds = self._elapsed = 0.0

    def wanted(self, requests: Sequence[ConversionRequest]) -> Iterator[SynthesisRequest]:
        """Yield what is to be synthesised for the requests: of each recording copy and reconstruction once."""
        seen, own = set[str](), self._judged.kinds if self._judged else (COPY, RECONSTRUCTION)
        for request in requests:
            source, (target,) = request.utterance, request.targets
            yield SynthesisRequest(
                samples=self._recordings[source.utt_id].samples,
                speaker=source.spk_id,
                target=target,
                kinds=(CONVERSION,) if source.utt_id in seen else (*own, CONVERSION),
            )
            seen.add(source.utt_id)

    def add(self, request: ConversionRequest, made: SyntheticSpeech | str) -> None:
        """Measure the synthetic speech of a request."""
        source, (target,) = request.utterance, request.targets
        if isinstance(made, str):
            self.failures.add(f"{source.utt_id}-to-{target}", made)
            return
        recording = self._recordings[source.utt_id]
        for kind in (COPY, RECONSTRUCTION):
            if kind in made.speech:
                values = self._measure(self._speech(made.speech[kind]), source.spk_id, recording, recording)
                self.values[kind].append(values)
        self._elapsed += made.seconds
        self._seconds += len(recording.samples) / recording.sample_rate
        same = same_text(self.data, source, target)
        reference = self._recordings[same.utt_id] if same else None
        converted = made.speech[CONVERSION]
        values = self._measure(self._speech(converted), target, recording, reference)
        kinds = (CONVERSION, *gender_kinds(self._genders, source.spk_id, target))
        for kind in kinds:
            self.values[kind].append(values)
        if self._judged:
            if COPY in made.speech:
                self._judged.add(source, recording.samples, made.speech)
            self._judged.add_conversion(kinds, source, recording.samples, target, converted)

    def metrics(self) -> dict[str, Any]:
        """Return the means by kind, and the values that do not depend on a conversion."""
        return {
            "vocoder": self.converter.vocoder.name,
            **{name: value for metric in self._metrics for name, value in metric.of_data().items()},
            "real_time_factor": self._elapsed / self._seconds,
            **{kind: _means(values) for kind, values in self.values.items()},
        }

    def _speech(self, samples: NDArray[np.float32]) -> Speech:
        return Speech(samples, self.converter.sample_rate, self._codec)

    def _measure(self, speech: Speech, speaker: str, source: Speech, reference: Speech | None) -> Values:
        converted = ConvertedUtterance(speech=speech, speaker=speaker, source=source, reference=reference)
        return {name: value for metric in self._metrics for name, value in metric(converted).items()}


def _means(rows: Sequence[Values]) -> dict[str, float | None]:
    found: dict[str, float | None] = {"count": float(len(rows))}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        found[name] = float(np.mean(values)) if values else None
    return found
