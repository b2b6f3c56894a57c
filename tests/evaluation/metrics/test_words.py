import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqspeech.evaluation.metrics import words
from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, JudgeSettings
from sqspeech.evaluation.metrics.words import Words, word_errors, words_of


def slow_distance(a: list[str], b: list[str]) -> int:
    """Levenshtein's distance by its definition."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        slow_distance(a[1:], b) + 1,
        slow_distance(a, b[1:]) + 1,
        slow_distance(a[1:], b[1:]) + (a[0] != b[0]),
    )


@given(*[st.lists(st.sampled_from(["one", "two", "three"]), max_size=5)] * 2)
def test_word_error_is_the_edit_distance(found, wanted):
    score = word_errors(" ".join(found), " ".join(wanted))["word_error"]
    assert (score.total, score.weight) == (100 * slow_distance(found, wanted), len(wanted))


@given(*[st.text("ab ", max_size=5)] * 2)
def test_character_error_counts_single_spaces_between_words(found, wanted):
    a, b = (list(" ".join(text.split())) for text in (found, wanted))
    score = word_errors(found, wanted)["character_error"]
    assert (score.total, score.weight) == (100 * slow_distance(a, b), len(b))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KARA'S CHEQUE BOOK", "karas cheque book"),
        (" Kara\u2019s cheque-book, he said: \u201cYes\u201d! ", "karas cheque book he said yes"),
        ("Straße Ünïcode 12", "straße ünïcode 12"),
        ("हिन्दी", "हिन्दी"),
        ("... !", ""),
    ],
)
def test_texts_are_compared_in_lower_case_and_without_punctuation(text, expected):
    assert " ".join(words_of(text)) == expected


class Reader:
    """A recogniser that reads what the first sample stands for."""

    texts = ("a b c d", "a b x d", "x")
    name = model = "reader"

    def __init__(self, model: str | None) -> None:
        self.read = 0

    def __call__(self, speech):
        self.read += len(speech)
        return [self.texts[round(float(samples[0]))] for samples in speech]


def samples(number: int) -> np.ndarray:
    return np.full(10, number, np.float32)


def test_without_a_text_the_reading_of_the_source_is_the_reference(monkeypatch):
    monkeypatch.setattr(words, "Recogniser", Reader)
    judge = Words(JudgeSettings())
    natural = JudgedSpeech(samples=samples(0), speaker="a")
    against_source = JudgedSpeech(samples=samples(1), speaker="a", source=samples(0))
    against_text = JudgedSpeech(samples=samples(1), speaker="a", source=samples(0), text="A B X!")
    scores = [each["word_error"] for each in judge([natural, against_source, against_text])]
    assert scores[0] is None
    assert (scores[1].total, scores[1].weight) == (100, 4)
    assert (scores[2].total, scores[2].weight) == (100, 3)
    assert judge._recogniser.read == 2  # each recording once
    assert judge.of_data() == {"recogniser": "reader"}
