"""Contract of a metric by a judge: a model that was trained elsewhere; and the registry of these metrics.

>>> @SPEECH_METRICS.register("peak")
... class Peak(SpeechMetric):
...     rows = (SpeechRow(name="peak", key="peak", better="lower"),)
...
...     def __call__(self, speech):
...         return [{"peak": Score(float(abs(each.samples).max()))} for each in speech]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.judges.cache import JudgementCache
from sqspeech.failures import Failures
from sqspeech.registry import Registry

type Samples = NDArray[np.float32]

# In Hz, of all judges.
SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Score:
    """A value of an utterance: `total`, per each of `weight`.

    The value of several utterances is the sum of the totals over the sum of the weights: with weights of 1 the mean,
    and for errors with the number of words as the weight, the errors over all words.
    """

    total: float
    weight: float = 1.0


type Scores = Mapping[str, Score | None]


@dataclass(frozen=True, kw_only=True)
class JudgedSpeech:
    """Natural or synthetic speech, and what it should be.

    Attributes
    ----------
    samples
        Shape (N,), at 16 kHz.
    speaker
        Whose voice it should have.
    text
        What should be read in it; None where it is not known.
    source
        The recording (N,) that it was made from, at 16 kHz; None of natural speech.
    source_speaker
        Whose recording that is, where it is not the speaker's.
    aligned
        Whether it has the timing and the voice of the source.
    utt_id
        The name of the utterance.
    """

    samples: Samples
    speaker: str
    text: str | None = None
    source: Samples | None = None
    source_speaker: str | None = None
    aligned: bool = False
    utt_id: str = ""


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Settings of the judges.

    Attributes
    ----------
    device
        Of those that can use one.
    cache
        Keeps what was judged.
    recogniser
        A model by name or folder (see `Recogniser`).
    train
        Natural speech of the speakers.
    failures
        Takes the recordings of `train` that cannot be read.
    """

    device: torch.device | str = "cpu"
    cache: JudgementCache = field(default_factory=JudgementCache)
    recogniser: str | None = None
    train: DataDir | None = None
    failures: Failures = field(default_factory=Failures)


@dataclass(frozen=True, kw_only=True)
class SpeechRow:
    """Row of the table: the value of this `key`, a `name` with the unit, what is better, and VERSA's name of it."""

    name: str
    key: str
    better: str
    versa: str | None = None


class SpeechMetric:
    """Metric by a judge, whose package is imported when the metric is made.

    Attributes
    ----------
    rows
        Of the table, one for each value.
    """

    rows: ClassVar[tuple[SpeechRow, ...]] = ()

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings

    def prepare(self) -> None:
        """Do what takes time before the first utterance, such as to judge natural speech."""

    def __call__(self, speech: Sequence[JudgedSpeech]) -> Sequence[Scores]:
        """Return the values of each utterance; the names are the same for all, and None is for one without a value."""
        raise NotImplementedError

    def of_data(self) -> Mapping[str, Any]:
        """Return what the values depend on, such as the name of a model."""
        return {}


SPEECH_METRICS = Registry[SpeechMetric]("judge", "sqspeech.evaluation.metrics")
