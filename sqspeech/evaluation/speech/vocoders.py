"""Excerpts of a few recordings by every vocoder of a model, and what judges give each: for listening side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.conversion.manifest import write_manifest
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion.synthesis import CONVERSION, COPY, Synthesis, SynthesisRequest
from sqspeech.evaluation.judges.cache import JudgementCache
from sqspeech.evaluation.metrics.speech_metric import (
    SAMPLE_RATE,
    SPEECH_METRICS,
    JudgedSpeech,
    JudgeSettings,
)
from sqspeech.evaluation.speech.evaluate import ALL, NATURAL
from sqspeech.evaluation.speech.panel import Panel
from sqspeech.failures import Failures
from sqspeech.names import file_name
from sqspeech.progress import track

type Samples = NDArray[np.float32]

# In seconds: what is longer is cut.
LONGEST = 6.0
COLUMNS = ("utt_id", "speaker", "kind", "target", "vocoder", "output")


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The beginning of a recording, (N,) at the model's rate, and the speaker to whom it is converted."""

    utterance: Utterance
    samples: Samples
    target: str


@dataclass(frozen=True, kw_only=True)
class Speech:
    """Speech (N,) of an excerpt in the voice of a speaker: natural, or of a kind by a vocoder."""

    excerpt: Excerpt
    kind: str
    speaker: str
    samples: Samples
    vocoder: str = ""

    @property
    def name(self) -> str:
        """The kind and the vocoder."""
        return f"{self.kind}-{self.vocoder}" if self.vocoder else self.kind

    def row(self) -> dict[str, str]:
        """Return the values of `COLUMNS`."""
        source = self.excerpt.utterance
        output = file_name(source.utt_id, f"-{self.name}.wav")
        values = (source.utt_id, source.spk_id, self.kind, self.speaker, self.vocoder, output)
        return dict(zip(COLUMNS, values, strict=True))

    def judged(self, rate: int) -> JudgedSpeech:
        """Return what judges are given, of samples at a rate in Hz."""
        source, natural = self.excerpt.utterance, self.kind == NATURAL
        samples, recording = (audio.resample(x, rate, SAMPLE_RATE) for x in (self.samples, self.excerpt.samples))
        # The text is that of the whole recording.
        whole = len(self.excerpt.samples) < LONGEST * rate
        return JudgedSpeech(
            samples=samples,
            speaker=self.speaker,
            text=source.text if whole else None,
            source=None if natural else recording,
            source_speaker=source.spk_id if self.speaker != source.spk_id else None,
            aligned=self.kind == COPY,
            utt_id=source.utt_id,
        )


def compare_vocoders(
    trained: TrainedModel,
    data: DataDir,
    output: Path,
    *,
    count: int = 3,
    judges: Sequence[str] = (),
    cache: Path | None = None,
) -> tuple[int, Failures]:
    """Write copies and conversions of recordings that are spread over the data, by each vocoder, and a manifest.

    Parameters
    ----------
    trained
        The model.
    data
        Recordings of its speakers. Each that is chosen is converted to the speaker of the next.
    output
        The folder to write: WAV files, manifest.tsv with `COLUMNS` and a column for each value of the judges, and
        manifest.json.
    count
        The recordings that are chosen.
    judges
        Names of `SPEECH_METRICS`, or `all`. The natural speech that `speaker` compares with is that of the other
        recordings in the data.
    cache
        The folder that keeps judgements.

    Returns
    -------
    count
        How many recordings were written.
    failures
        The recordings that could not be used.

    Raises
    ------
    DataError
        No recording can be used.
    SqspeechError
        A judge is not installed, or a file cannot be written.
    """
    failures, rate = Failures(), trained.config.features.sample_rate
    excerpts = list(_excerpts(trained, data, count, failures))
    settings = JudgeSettings(
        device=trained.device, cache=JudgementCache(cache), train=_others(data, excerpts), failures=failures
    )
    names = SPEECH_METRICS.names() if ALL in judges else dict.fromkeys(judges)
    panel = Panel([SPEECH_METRICS[name](settings) for name in names])
    made = list(_made(trained, excerpts, failures))
    failures.check(len(made), strict=False)
    for speech in made:
        audio.write(output / speech.row()["output"], speech.samples, rate)
        panel.add([speech.name], speech.judged(rate))
    found = panel.by_utterance()
    scores = [found.get(speech.name, {}).get(speech.excerpt.utterance.utt_id, {}) for speech in made]
    keys = dict.fromkeys(key for of_one in scores for key in of_one)
    rows = [keys | speech.row() | of_one for speech, of_one in zip(made, scores, strict=True)]
    write_manifest(output, {"checkpoint": trained.digest}, [*COLUMNS, *keys], rows)
    return len(rows), failures


def _excerpts(trained: TrainedModel, data: DataDir, count: int, failures: Failures) -> Iterator[Excerpt]:
    """Yield the beginnings of usable recordings that are spread over those of the model's speakers."""
    own = [utterance for utterance in data if utterance.spk_id in trained.speakers]
    if not own:
        raise DataError("no recording is of a speaker of the model; give data of those that `sqspeech speakers` lists")
    rate = trained.config.features.sample_rate
    chosen = [own[place] for place in np.linspace(0, len(own) - 1, min(count, len(own))).round().astype(int)]
    for place, utterance in enumerate(chosen):
        following = chosen[(place + 1) % len(chosen)].spk_id
        others = (speaker for speaker in (following, *trained.speakers) if speaker != utterance.spk_id)
        with failures.skipping(utterance.utt_id):
            samples = utterance.read(rate)[: round(LONGEST * rate)].clip(-1, 1)
            yield Excerpt(utterance=utterance, samples=samples, target=next(others, utterance.spk_id))


def _others(data: DataDir, excerpts: Sequence[Excerpt]) -> DataDir:
    """Return the other recordings of the speakers of the excerpts."""
    chosen = {excerpt.utterance.utt_id for excerpt in excerpts}
    speakers = {speaker for excerpt in excerpts for speaker in (excerpt.utterance.spk_id, excerpt.target)}
    return data.subset(u.utt_id for u in data if u.spk_id in speakers and u.utt_id not in chosen)


def _made(trained: TrainedModel, excerpts: Sequence[Excerpt], failures: Failures) -> Iterator[Speech]:
    """Yield the excerpts themselves, and their copies and conversions by each vocoder."""
    converters = {name: Synthesis(Converter(trained, name)) for name in trained.vocoders}
    for excerpt in track(excerpts, "vocoding", len(excerpts)):
        own = excerpt.utterance.spk_id
        request = SynthesisRequest(
            samples=excerpt.samples, speaker=own, target=excerpt.target, kinds=(COPY, CONVERSION)
        )
        by_vocoder = {name: synthesis(request) for name, synthesis in converters.items()}
        reasons = [found for found in by_vocoder.values() if isinstance(found, str)]
        if reasons:
            failures.add(excerpt.utterance.utt_id, reasons[0])
            continue
        yield Speech(excerpt=excerpt, kind=NATURAL, speaker=own, samples=excerpt.samples)
        for name, found in by_vocoder.items():
            assert not isinstance(found, str)
            for kind, speaker in ((COPY, own), (CONVERSION, excerpt.target)):
                yield Speech(excerpt=excerpt, kind=kind, speaker=speaker, samples=found.speech[kind], vocoder=name)
