"""Quality of speech without a reference, by DistillMOS and DNSMOS."""

from collections.abc import Sequence

from sqspeech.evaluation.judges.distill_mos import DistillMos
from sqspeech.evaluation.judges.dns_mos import SCORES, DnsMos
from sqspeech.evaluation.metrics.speech_metric import (
    SPEECH_METRICS,
    JudgedSpeech,
    JudgeSettings,
    Score,
    Scores,
    SpeechMetric,
    SpeechRow,
)

# Those of the scores of DNSMOS that VERSA has, with its names.
VERSA = {"overall": "dns_overall", "p808": "dns_p808"}


@SPEECH_METRICS.register("quality")
class Quality(SpeechMetric):
    """Mean opinion scores, 1 to 5: DistillMOS and, beside it, the four of DNSMOS."""

    rows = (
        SpeechRow(name="DistillMOS (1 to 5)", key="distillmos", better="higher"),
        *(
            SpeechRow(name=f"DNSMOS, {name} (1 to 5)", key=f"dnsmos_{name}", better="higher", versa=VERSA.get(name))
            for name in SCORES
        ),
    )

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        self._distill_mos, self._dns_mos = DistillMos(settings.device), DnsMos()

    def __call__(self, speech: Sequence[JudgedSpeech]) -> Sequence[Scores]:
        """Return `distillmos`, `dnsmos_overall`, `dnsmos_signal`, `dnsmos_background` and `dnsmos_p808`."""
        samples = [each.samples for each in speech]
        first, others = (
            self.settings.cache.judged(judge.name, samples, judge) for judge in (self._distill_mos, self._dns_mos)
        )
        return [
            {"distillmos": Score(one), **{f"dnsmos_{name}": Score(value) for name, value in many.items()}}
            for one, many in zip(first, others, strict=True)
        ]
