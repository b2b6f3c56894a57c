"""Evaluation of natural and synthetic speech by judges."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.codec import Codec
from sqspeech.conversion import Converter
from sqspeech.corpus import DIED, Workers, map_locally_or_in_order
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import ConfigError
from sqspeech.evaluation.conversion.synthesis import COPY, RECONSTRUCTION, Synthesis, SynthesisRequest
from sqspeech.evaluation.judges.cache import JudgementCache
from sqspeech.evaluation.metrics.bitrate import bitrate, bitrate_of_stages
from sqspeech.evaluation.metrics.speech_metric import SAMPLE_RATE, SPEECH_METRICS, JudgedSpeech, JudgeSettings
from sqspeech.evaluation.metrics.symbols import Codes, by_stage
from sqspeech.evaluation.speech.panel import Figures, Panel
from sqspeech.evaluation.speech.stages import CONTINUOUS, FIRST, MEAN, stage_kinds
from sqspeech.evaluation.speech.versa import write_versa
from sqspeech.failures import Failures
from sqspeech.progress import track

type Samples = NDArray[np.float32]

ALL, NATURAL, CODES = "all", "natural", "codes"


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """The judges that are wanted, and what they need.

    Attributes
    ----------
    judges
        Names of `SPEECH_METRICS`, or `all`.
    recogniser
        See `Recogniser`.
    cache
        The folder that keeps judgements; None keeps them for this run.
    where_lost
        Whether the words are also counted after each step from the recording to the codes.
    train
        Natural speech of the training set, for the judge `speaker`.
    versa
        The folder to which the values of each utterance are written, see `write_versa`; None for none.
    """

    judges: Sequence[str]
    recogniser: str | None = None
    cache: Path | None = None
    where_lost: bool = False
    train: DataDir | None = None
    versa: Path | None = None


class SpeechEvaluation:
    """Judgements on recordings and on what a model makes of them.

    Parameters
    ----------
    options
        The judges.
    codec
        The model.
    failures
        Takes what the judges cannot read.

    Attributes
    ----------
    kinds
        The kinds of synthetic speech that are judged beside conversions.

    Raises
    ------
    ConfigError
        There is no judge of a name, or one lacks what it needs.
    SqspeechError
        The package of a judge is not installed, or there is no such recogniser.
    """

    def __init__(self, options: JudgeOptions, codec: Codec, failures: Failures) -> None:
        settings = JudgeSettings(
            device=codec.trained.device,
            cache=JudgementCache(options.cache),
            recogniser=options.recogniser,
            train=options.train,
            failures=failures,
        )
        names = SPEECH_METRICS.names() if ALL in options.judges else dict.fromkeys(options.judges)
        classes = {name: SPEECH_METRICS[name] for name in names}
        if options.where_lost and "words" not in classes:
            raise ConfigError("--where-lost counts words; give --judge words, too")
        self._judges = {name: kind(settings) for name, kind in classes.items()}
        self._panel = Panel(list(self._judges.values()))
        self._words = Panel([self._judges["words"]]) if options.where_lost else None
        stages = stage_kinds(codec) if options.where_lost else ()
        self.kinds = (COPY, RECONSTRUCTION, *stages)
        self._rate, self._versa = codec.sample_rate, options.versa
        # A model without a codebook decodes what its encoder gives.
        self._decoded = CODES if codec.trained.model.quantizer.codebook_size else CONTINUOUS

    def prepare(self) -> None:
        """Let the judges do what takes time before the first utterance."""
        for judge in self._judges.values():
            judge.prepare()

    def add(self, source: Utterance, recording: Samples, made: Mapping[str, Samples]) -> None:
        """Judge a recording (N,) at the model's rate, and what was made of it with its own speaker, by kind."""
        natural = self._resampled(recording)
        self._add(NATURAL, JudgedSpeech(samples=natural, speaker=source.spk_id, text=source.text, utt_id=source.utt_id))
        for kind in (name for name in self.kinds if name in made):
            speech = JudgedSpeech(
                samples=self._resampled(made[kind]),
                speaker=source.spk_id,
                text=source.text,
                source=natural,
                aligned=True,
                utt_id=source.utt_id,
            )
            self._add(kind, speech)

    def add_conversion(
        self, kinds: Sequence[str], source: Utterance, recording: Samples, target: str, converted: Samples
    ) -> None:
        """Judge a conversion (N,) of a recording to another speaker, which belongs to these kinds."""
        speech = JudgedSpeech(
            samples=self._resampled(converted),
            speaker=target,
            text=source.text,
            source=self._resampled(recording),
            source_speaker=source.spk_id if source.spk_id != target else None,
            utt_id=f"{source.utt_id}-to-{target}",
        )
        self._panel.add(kinds, speech)

    def metrics(self, codes: Sequence[Codes], seconds: float) -> dict[str, Any]:
        """Return `judges`, the figures by kind, and `words`, the errors after each step where they are wanted.

        Where they are wanted, the values of each utterance are written as well.

        Parameters
        ----------
        codes
            Of the test set, (L,) or (L, Q) each, for the bitrates; none without a codebook.
        seconds
            Its duration.
        """
        of_data = {name: value for judge in self._judges.values() for name, value in judge.of_data().items()}
        found: dict[str, Any] = {"judges": {**of_data, **self._panel.figures()}}
        if self._versa:
            write_versa(self._versa, self._panel.by_utterance())
        if self._words:
            found["words"] = _with_bitrates(self._words.figures(), codes, seconds)
        return found

    def _add(self, kind: str, speech: JudgedSpeech) -> None:
        if kind in (NATURAL, COPY, RECONSTRUCTION):
            self._panel.add([kind], speech)
        if self._words:
            self._words.add([self._decoded if kind == RECONSTRUCTION else kind], speech)

    def _resampled(self, samples: Samples) -> Samples:
        return audio.resample(samples, self._rate, SAMPLE_RATE)


def judge_recordings(
    evaluation: SpeechEvaluation,
    converter: Converter,
    data: DataDir,
    recordings: Mapping[str, Samples],
    workers: Workers,
) -> Failures:
    """Judge recordings, their copies and their reconstructions; return what could not be synthesised.

    Parameters
    ----------
    evaluation
        Takes them.
    converter
        The model and the vocoder.
    data
        The utterances.
    recordings
        Samples (N,) of each by its id, at the model's rate.
    workers
        Who synthesises.

    Raises
    ------
    DataError
        Nothing could be synthesised.
    """
    failures = Failures()
    wanted = (
        SynthesisRequest(samples=recordings[u.utt_id], speaker=u.spk_id, target=u.spk_id, kinds=evaluation.kinds)
        for u in data
    )
    with closing(map_locally_or_in_order(Synthesis(converter), wanted, workers, died=lambda request: DIED)) as made:
        for utterance, speech in zip(data, track(made, "judging", len(data)), strict=True):
            if isinstance(speech, str):
                failures.add(utterance.utt_id, speech)
            else:
                evaluation.add(utterance, recordings[utterance.utt_id], speech.speech)
    failures.check(len(data) - len(failures.reasons), strict=False)
    return failures


def _with_bitrates(words: Mapping[str, Figures], codes: Sequence[Codes], seconds: float) -> dict[str, Figures]:
    """Return the rows from natural speech to the codes, those of codes with the bitrate of these."""
    rows, counts = dict(words), dict[str, int]()
    if codes and CODES in words:
        stages = by_stage(codes[0]).shape[1]
        counts = {CODES: stages}
        if stages > 1:
            rows[f"{FIRST}{stages}"] = words[CODES]
            counts |= {f"{FIRST}{count}": count for count in range(1, stages + 1)}
    for kind, count in counts.items():
        first = [by_stage(utterance)[:, :count] for utterance in codes]
        rates: Figures = {"bitrate": bitrate(first, seconds), "bitrate_of_stages": bitrate_of_stages(first, seconds)}
        rows[kind] = rows[kind] | rates
    return {kind: rows[kind] for kind in (NATURAL, COPY, CONTINUOUS, MEAN, CODES, *counts) if kind in rows}
