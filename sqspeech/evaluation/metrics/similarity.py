"""Similarity to natural speech of the target and of the source speaker, by speaker embeddings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.data.data_dir import Utterance
from sqspeech.errors import ConfigError
from sqspeech.evaluation.judges.speaker_encoder import SpeakerEncoder
from sqspeech.evaluation.metrics.speech_metric import (
    SAMPLE_RATE,
    SPEECH_METRICS,
    JudgedSpeech,
    JudgeSettings,
    Samples,
    Score,
    Scores,
    SpeechMetric,
    SpeechRow,
)
from sqspeech.progress import track

# Recordings of each speaker whose embeddings are averaged: more hardly change the mean.
MOST = 20


@SPEECH_METRICS.register("speaker")
class Similarity(SpeechMetric):
    """Cosine of the embedding and the mean embedding of natural speech of a speaker, -1 to 1.

    The natural speech is of the training set: of each speaker up to 20 recordings, evenly over the sorted ids.
    """

    rows = (
        SpeechRow(name="similarity to the target", key="similarity_target", better="higher"),
        SpeechRow(name="similarity to the source", key="similarity_source", better="lower"),
        SpeechRow(name="nearest to the target (%)", key="nearest_target", better="higher"),
    )

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        if settings.train is None:
            raise ConfigError(
                "the judge speaker compares with natural speech of the speakers; give it with --train DATA"
            )
        self._train, self._encoder = settings.train, SpeakerEncoder(settings.device)

    def prepare(self) -> None:
        """Embed the natural speech."""
        _ = self._means

    def __call__(self, speech: Sequence[JudgedSpeech]) -> Sequence[Scores]:
        """Return `similarity_target`, `similarity_source` and `nearest_target`: 100 if no other speaker is nearer.

        None of silence, for speakers without natural speech, and for a source that is the target.
        """
        embeddings = self._embed([each.samples for each in speech])
        return [self._scores(each, embedding) for each, embedding in zip(speech, embeddings, strict=True)]

    def of_data(self) -> Mapping[str, Any]:
        """Return `speakers`, how many are compared for `nearest_target`."""
        return {"speakers": len(self._means)}

    def _scores(self, speech: JudgedSpeech, embedding: NDArray[np.float64] | None) -> Scores:
        similar = {} if embedding is None else {name: float(mean @ embedding) for name, mean in self._means.items()}
        target, source = similar.get(speech.speaker), similar.get(speech.source_speaker or "")
        return {
            "similarity_target": None if target is None else Score(target),
            "similarity_source": None if source is None else Score(source),
            "nearest_target": None if target is None else Score(100.0 * (target >= max(similar.values()))),
        }

    @cached_property
    def _means(self) -> dict[str, NDArray[np.float64]]:
        """The mean embedding of each speaker, of length 1."""
        by_speaker: dict[str, list[Utterance]] = defaultdict(list)
        for utterance in self._train:
            by_speaker[utterance.spk_id].append(utterance)
        means = {}
        for speaker, utterances in track(by_speaker.items(), "speakers", len(by_speaker)):
            embeddings = [found for each in _evenly(utterances) if (found := self._natural(each)) is not None]
            if embeddings:
                mean = np.mean(embeddings, axis=0)
                means[speaker] = mean / np.linalg.norm(mean)
        return means

    def _natural(self, utterance: Utterance) -> NDArray[np.float64] | None:
        with self.settings.failures.skipping(utterance.utt_id):
            return self._embed([utterance.read(SAMPLE_RATE)])[0]
        return None

    def _embed(self, speech: Sequence[Samples]) -> list[NDArray[np.float64] | None]:
        found = self.settings.cache.judged(self._encoder.name, speech, self._encoder)
        return [None if embedding is None else np.array(embedding) for embedding in found]


def _evenly(utterances: Sequence[Utterance]) -> Sequence[Utterance]:
    count = min(MOST, len(utterances))
    return [utterances[place * len(utterances) // count] for place in range(count)]
