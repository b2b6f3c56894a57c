"""Word and character error, by a recogniser."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torchaudio

from sqspeech.evaluation.judges.recogniser import Recogniser
from sqspeech.evaluation.metrics.speech_metric import (
    SPEECH_METRICS,
    JudgedSpeech,
    JudgeSettings,
    Samples,
    Score,
    Scores,
    SpeechMetric,
    SpeechRow,
)

APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc")  # the plain one, the typographic one, and the letter


@SPEECH_METRICS.register("words")
class Words(SpeechMetric):
    """Edit distance of what a recogniser reads to the text, in % of its words and of its characters, over all texts.

    Where there is no text, it is to what the recogniser reads in the source.
    """

    rows = (
        SpeechRow(name="word error (%)", key="word_error", better="lower"),
        SpeechRow(name="character error (%)", key="character_error", better="lower"),
    )

    def __init__(self, settings: JudgeSettings) -> None:
        super().__init__(settings)
        self._recogniser = Recogniser(settings.recogniser)

    def __call__(self, speech: Sequence[JudgedSpeech]) -> Sequence[Scores]:
        """Return `word_error` and `character_error`; None for natural speech without a text."""
        found = self._read([each.samples for each in speech])
        return [word_errors(text, self._reference(each)) for text, each in zip(found, speech, strict=True)]

    def of_data(self) -> Mapping[str, Any]:
        """Return `recogniser`, its name or folder."""
        return {"recogniser": self._recogniser.model}

    def _reference(self, speech: JudgedSpeech) -> str | None:
        if speech.text is not None or speech.source is None:
            return speech.text
        return self._read([speech.source])[0]

    def _read(self, speech: Sequence[Samples]) -> list[str]:
        return self.settings.cache.judged(self._recogniser.name, speech, self._recogniser)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation; an apostrophe joins, a hyphen divides."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(APOSTROPHES)
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in plain).split()


def word_errors(text: str, reference: str | None) -> Scores:
    """Return `word_error` and `character_error` of a text, weighted by the length of the reference; None without."""
    if reference is None:
        return {"word_error": None, "character_error": None}
    found, wanted = words_of(text), words_of(reference)
    return {
        "word_error": _error(found, wanted),
        "character_error": _error(list(" ".join(found)), list(" ".join(wanted))),
    }


def _error(found: list[str], wanted: list[str]) -> Score:
    return Score(100 * float(torchaudio.functional.edit_distance(found, wanted)), len(wanted))
