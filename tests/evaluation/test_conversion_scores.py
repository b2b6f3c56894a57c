"""Conversion measured: a perfect one has perfect scores, each fault its own."""

import numpy as np
import pytest
from corpus import SPEAKERS, voice, write_corpus

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion import _distances, measure_conversion
from sqspeech.evaluation.speaker_classifier import SpeakerClassifier


@pytest.fixture(scope="module")
def natural() -> list[tuple[np.ndarray, str]]:
    return [(voice(f0, sentence), speaker) for speaker, f0 in SPEAKERS.items() for sentence in range(6)]


def test_the_classifier_knows_natural_voices_it_has_not_heard(natural):
    classifier = SpeakerClassifier(natural, 16000)
    held_out = [(voice(f0, sentence), speaker) for speaker, f0 in SPEAKERS.items() for sentence in range(6, 10)]
    assert classifier.accuracy(held_out) >= 60  # chance is 25
    wrong = [(samples, "f1" if speaker != "f1" else "m1") for samples, speaker in held_out]
    assert classifier.accuracy(wrong) <= 20


def test_an_utterance_is_no_distance_from_itself():
    samples = voice(120.0, 0, 1.0)
    scores = _distances(samples, samples, 16000)
    assert scores["mcd_db"] == pytest.approx(0)
    assert scores["f0_rmse_semitones"] == pytest.approx(0)
    assert scores["f0_correlation"] == pytest.approx(1)
    assert scores["voicing_error"] == 0


def test_a_shifted_pitch_is_an_error_of_so_many_semitones():
    low, high = voice(120.0, 0, 1.0), voice(120.0 * 2 ** (3 / 12), 0, 1.0)
    scores = _distances(high, low, 16000)
    assert scores["f0_rmse_semitones"] == pytest.approx(3, abs=0.3)
    assert scores["f0_correlation"] > 0.9


def test_every_kind_is_measured_and_genders_are_told_apart(experiment, tmp_path):
    # Sentences whose formants let the fundamental be heard.
    data = DataDir.read(write_corpus(tmp_path / "data", range(2)))
    train = DataDir.read(experiment.root / "corpus/train")
    (tmp_path / "pairs").write_text("f1-00 f1 m1\nf1-01 f1 f2\nf1-00 f1 m2\n")
    converter = Converter(TrainedModel.load(experiment.checkpoint))
    found, failures = measure_conversion(converter, data, tmp_path / "pairs", train)
    assert not failures.reasons
    assert found["vocoder"] == "world"
    counts = {name: scores["count"] for name, scores in found.items() if isinstance(scores, dict)}
    assert counts == {"copy": 2, "reconstruction": 2, "conversion": 3, "same_gender": 1, "cross_gender": 2}
    # The vocoder alone keeps more than vocoder and an untrained model do.
    assert found["copy"]["mcd_db"] < found["reconstruction"]["mcd_db"]
    assert found["copy"]["f0_rmse_semitones"] < 0.5
    assert found["conversion"]["pitch_semitones"] < 1
    assert found["conversion"]["unit_error"] >= 0
    assert 0 < found["real_time_factor"] < 10


def test_pairs_of_what_is_not_there_are_named(experiment, tmp_path):
    data = DataDir.read(experiment.root / "corpus/test")
    converter = Converter(TrainedModel.load(experiment.checkpoint))
    (tmp_path / "pairs").write_text("f9-04 f9 m1\n")
    with pytest.raises(DataError, match="pairs:1: no utterance f9-04"):
        measure_conversion(converter, data, tmp_path / "pairs", data)
    (tmp_path / "pairs").write_text("f1-04 f1 m9\n")
    with pytest.raises(DataError, match="no speaker m9; the nearest"):
        measure_conversion(converter, data, tmp_path / "pairs", data)
