"""Quality and intelligibility beside the source, where both have the same timing: PESQ and STOI."""

import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version

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
from sqspeech.extras import missing_extra_named

type Pair = tuple[Samples, Samples]

# Of a recording, PESQ is given the first 30 s: it is defined for 8 to 30 s, and its memory for that of few phrases.
LONGEST = 30 * SAMPLE_RATE


@SPEECH_METRICS.register("aligned")
class Aligned(SpeechMetric):
    """PESQ (wide band, 1.0 to 4.6) and STOI (0 to 1) of copies and reconstructions, the source being the reference.

    Sources: ITU-T P.862.2; Taal et al., "An algorithm for intelligibility prediction of time-frequency weighted noisy
    speech", IEEE TASLP 2011.
    """

    rows = (
        SpeechRow(name="PESQ (1.0 to 4.6)", key="pesq", better="higher"),
        SpeechRow(name="STOI (0 to 1)", key="stoi", better="higher"),
    )

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        with missing_extra_named("judges"):
            import pesq
            import pystoi
        self._pesq, self._stoi = pesq, pystoi

    def __call__(self, speech: Sequence[JudgedSpeech]) -> Sequence[Scores]:
        """Return `pesq` and `stoi`; None without the source's timing, and where there is too little speech for it."""
        pairs = {place: pair for place, each in enumerate(speech) if (pair := _pair(each))}
        found = [dict[str, Score | None](pesq=None, stoi=None) for _ in speech]
        for name, package, judge in (("pesq", "pesq", self._pesq_of), ("stoi", "pystoi", self._stoi_of)):
            values = self._judged(f"{package} {version(package)}", list(pairs.values()), judge)
            for place, value in zip(pairs, values, strict=True):
                found[place][name] = None if value is None else Score(value)
        return found

    def _judged(self, name: str, pairs: Sequence[Pair], judge: Callable[[Pair], float | None]) -> list[float | None]:
        return self.settings.cache.judged(name, pairs, lambda some: [judge(pair) for pair in some])

    def _pesq_of(self, pair: Pair) -> float | None:
        source, samples = (each[:LONGEST] for each in pair)
        try:
            return float(self._pesq.pesq(SAMPLE_RATE, source, samples, "wb"))
        except self._pesq.PesqError:
            return None

    def _stoi_of(self, pair: Pair) -> float | None:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            try:
                return float(self._stoi.stoi(*pair, SAMPLE_RATE))
            except RuntimeWarning:
                return None


def _pair(speech: JudgedSpeech) -> Pair | None:
    """Return the source and the result where both have a sound and they are aligned."""
    if not speech.aligned or speech.source is None or not (speech.source.any() and speech.samples.any()):
        return None
    return speech.source, speech.samples
