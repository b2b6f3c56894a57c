"""Copies and conversions of a few recordings by each vocoder."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus import voice

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import Codec
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.speech_metric import SPEECH_METRICS, Score, SpeechMetric, SpeechRow
from sqspeech.evaluation.speech.vocoders import LONGEST, compare_vocoders

RATE = 16000


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@pytest.fixture(scope="module")
def data(experiment) -> DataDir:
    return DataDir.read(experiment.root / "corpus/test")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_each_vocoder_copies_and_converts(trained, data, tmp_path):
    count, failures = compare_vocoders(trained, data, tmp_path, count=2)
    found = rows(tmp_path)
    assert not failures.reasons
    assert trained.vocoders == ["griffin_lim", "world", "world_refined"]
    assert count == len(found) == 2 * (1 + 2 * 3)
    assert {(row["utt_id"], row["target"]) for row in found if row["kind"] == "conversion"} == {
        ("f1-04", "m2"),
        ("m2-05", "f1"),
    }
    assert {row["target"] for row in found if row["kind"] != "conversion" and row["utt_id"] == "f1-04"} == {"f1"}
    by_name = {(row["utt_id"], row["kind"], row["vocoder"]): tmp_path / row["output"] for row in found}
    source = soundfile.read(data.utterances[0].path, dtype="float32")[0]
    codec = Codec(trained)
    for kind, vocoder, expected in (
        ("natural", "", source),
        ("copy", "griffin_lim", codec.copy(source, "griffin_lim")),
        ("conversion", "world", codec.convert(source, RATE, to="m2", source="f1", vocoder="world")[0]),
    ):
        made = soundfile.read(by_name["f1-04", kind, vocoder], dtype="float32")[0]
        np.testing.assert_allclose(made, expected, atol=1e-4)


def test_judges_give_each_a_value(trained, data, tmp_path, monkeypatch):
    SPEECH_METRICS.names()
    monkeypatch.setattr(SPEECH_METRICS, "_classes", {})
    seen = []

    @SPEECH_METRICS.register("toy")
    class Toy(SpeechMetric):
        rows = (SpeechRow(name="seconds", key="seconds", better="longer"),)

        def __call__(self, speech):
            seen.extend(speech)
            assert {u.utt_id for u in self.settings.train} == {"f1-05", "m2-04"}
            return [{"seconds": Score(len(each.samples) / RATE) if each.aligned else None} for each in speech]

    compare_vocoders(trained, data, tmp_path, count=2, judges=["all"])
    assert {row["seconds"] for row in rows(tmp_path) if row["kind"] == "copy"} == {"0.8"}
    assert {row["seconds"] for row in rows(tmp_path) if row["kind"] != "copy"} == {""}
    assert len(seen) == 14
    assert sum(each.source is None for each in seen) == 2
    assert {each.text for each in seen} == {"sentence 4", "sentence 5"}
    assert {each.source_speaker for each in seen if not each.aligned and each.source is not None} == {"f1", "m2"}


def test_a_long_recording_is_cut_and_a_bad_one_named(trained, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "f1-1.wav", np.tile(voice(200.0, 0), 9), RATE)
    (tmp_path / "f2-1.wav").write_text("no sound")
    data = DataDir(
        tuple(Utterance(utt_id=f"{s}-1", spk_id=s, path=tmp_path / f"{s}-1.wav", text="x") for s in ("f1", "f2"))
    )
    monkeypatch.setattr(TrainedModel, "vocoders", ["world"])
    count, failures = compare_vocoders(trained, data, tmp_path / "out")
    assert count == 3
    assert list(failures.reasons) == ["f2-1"]
    assert soundfile.info(tmp_path / "out/f1-1-copy-world.wav").duration == LONGEST


def test_no_recording_of_a_speaker_of_the_model(trained, data, tmp_path):
    strangers = DataDir(tuple(Utterance(utt_id="x-1", spk_id="x", path=u.path) for u in data.utterances[:1]))
    with pytest.raises(DataError, match="no recording is of a speaker of the model"):
        compare_vocoders(trained, strangers, tmp_path)
