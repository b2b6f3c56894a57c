"""Judges within an evaluation: which recordings and syntheses each is given, and where the figures are."""

import json

import pytest
from corpus import write_corpus

from sqspeech.checkpoint import TrainedModel
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import ConfigError, DataError
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.evaluation.metrics import words
from sqspeech.evaluation.metrics.speech_metric import SPEECH_METRICS, Score, SpeechMetric, SpeechRow
from sqspeech.evaluation.speech.evaluate import JudgeOptions
from sqspeech.evaluation.speech.table import speech_tables

pytestmark = pytest.mark.usefixtures("short_griffin_lim")


class Reader:
    """A recogniser that reads the same in everything."""

    name = model = "reader"

    def __init__(self, model: str | None) -> None:
        pass

    def __call__(self, speech):
        return ["Sentence four." for _ in speech]


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@pytest.fixture
def data(tmp_path) -> DataDir:
    return DataDir.read(write_corpus(tmp_path / "data", range(2)))


@pytest.fixture
def judged(monkeypatch):
    """Replace the judges by a toy one and the words of a toy recogniser; return what the toy was given."""
    SPEECH_METRICS.names()
    monkeypatch.setattr(SPEECH_METRICS, "_classes", {"words": SPEECH_METRICS["words"]})
    monkeypatch.setattr(words, "Recogniser", Reader)
    seen = []

    @SPEECH_METRICS.register("toy")
    class Toy(SpeechMetric):
        rows = (SpeechRow(name="seconds", key="seconds", better="longer", versa="duration"),)

        def __call__(self, speech):
            seen.extend(speech)
            return [{"seconds": Score(len(each.samples) / 16000)} for each in speech]

        def of_data(self):
            return {"toy": "yes"}

    return seen


def test_natural_copy_and_reconstruction_are_judged(trained, data, judged):
    metrics, failures = evaluate(trained, data, judges=JudgeOptions(judges=["toy"]), vocoder="griffin_lim")
    assert not failures.reasons
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    found = metrics["judges"]
    assert found.pop("toy") == "yes"
    assert list(found) == ["natural", "copy", "reconstruction"]
    for figures in found.values():
        assert figures == pytest.approx({"count": 8, "seconds": 0.8, "seconds_std": 0})
    assert "words" not in metrics
    natural = [each for each in judged if each.source is None]
    assert [each.text for each in natural] == [utterance.text for utterance in data]
    assert [each.speaker for each in judged if each.source is not None] == [u.spk_id for u in data for _ in range(2)]
    assert all(each.aligned == (each.source is not None) and not each.source_speaker for each in judged)


def test_conversions_are_judged_beside_their_sources(trained, data, judged, tmp_path):
    (tmp_path / "pairs").write_text("f1-00 f1 m1\nf1-00 f1 f2\nm1-01 m1 f1\n")
    options = JudgeOptions(judges=["toy"])
    metrics, _ = evaluate(trained, data, conversion=(tmp_path / "pairs", data), judges=options)
    counts = {kind: figures["count"] for kind, figures in metrics["judges"].items() if kind != "toy"}
    assert counts == {
        **{"natural": 2, "copy": 2, "reconstruction": 2},
        **{"conversion": 3, "same_gender": 1, "cross_gender": 2},
    }
    conversions = [(each.speaker, each.source_speaker) for each in judged if each.source_speaker]
    assert conversions == [("m1", "f1"), ("f2", "f1"), ("f1", "m1")]
    assert not any(each.aligned for each in judged if each.source_speaker)


def test_each_utterance_is_a_line_of_versa(trained, data, judged, tmp_path):
    (tmp_path / "pairs").write_text("f1-00 f1 m1\nm1-01 m1 f1\n")
    options = JudgeOptions(judges=["toy", "words"], versa=tmp_path / "versa")
    evaluate(trained, data, conversion=(tmp_path / "pairs", data), judges=options)
    found = {path.stem: path.read_text().splitlines() for path in (tmp_path / "versa").iterdir()}
    assert set(found) == {"natural", "copy", "reconstruction", "conversion", "cross_gender"}
    assert [json.loads(line)["key"] for line in found["conversion"]] == ["f1-00-to-m1", "m1-01-to-f1"]
    # The toy recogniser's two words share one with the text; and the toy judge's value has VERSA's name.
    first = json.loads(found["natural"][0])
    assert (first["key"], first["word_error"], first["duration"]) == ("f1-00", 50, pytest.approx(0.8))


def test_words_after_each_stage(trained, data, judged):
    few = data.subset(["f1-00", "m1-01"])
    metrics, _ = evaluate(trained, few, judges=JudgeOptions(judges=["words"], where_lost=True))
    assert metrics["judges"]["recogniser"] == "reader"
    assert list(metrics["words"]) == ["natural", "copy", "latents", "posterior_mean", "codes"]
    # "sentence 0" and "sentence 1": one word of each is right.
    assert all(figures["word_error"] == 50 and figures["count"] == 2 for figures in metrics["words"].values())
    assert metrics["words"]["codes"]["bitrate"] == metrics["bitrate"]
    assert "bitrate" not in metrics["words"]["latents"]
    table = speech_tables(metrics)
    assert "decoded from the mean of the codewords" in table
    assert "50 ± 0" in table


def test_where_words_are_lost_needs_words(trained, data, judged):
    with pytest.raises(ConfigError, match="--judge words"):
        evaluate(trained, data, judges=JudgeOptions(judges=["toy"], where_lost=True))


def test_an_unknown_judge_is_named(trained, data, judged):
    with pytest.raises(ConfigError, match="no judge 'word'; the nearest is words"):
        evaluate(trained, data, judges=JudgeOptions(judges=["word"]))


def test_all_are_all(trained, data, judged):
    few = data.subset(["f1-00"])
    metrics, _ = evaluate(trained, few, judges=JudgeOptions(judges=["all"]))
    assert {"toy", "recogniser"} <= metrics["judges"].keys()
    assert {"seconds", "word_error", "character_error"} <= metrics["judges"]["natural"].keys()


def test_a_recording_that_cannot_be_read_is_left_out(trained, data, judged, tmp_path):
    bad = Utterance(utt_id="f1-bad", spk_id="f1", path=tmp_path / "none.wav")
    metrics, failures = evaluate(
        trained, DataDir((*data.subset(["f1-00"]).utterances, bad)), judges=JudgeOptions(judges=["toy"])
    )
    assert failures.reasons.keys() == {"f1-bad"}
    assert metrics["judges"]["copy"]["count"] == 1
    with pytest.raises(DataError, match="no usable input"):
        evaluate(trained, DataDir((bad,)), judges=JudgeOptions(judges=["toy"]))
