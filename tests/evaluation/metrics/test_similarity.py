import numpy as np
import pytest
from corpus import write_corpus

from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import ConfigError
from sqspeech.evaluation.metrics import similarity
from sqspeech.evaluation.metrics.similarity import Similarity
from sqspeech.evaluation.metrics.speech_metric import JudgedSpeech, JudgeSettings
from sqspeech.failures import Failures


class Encoder:
    """Embeds speech by its spectrum's strongest bins, so that a voice is its own."""

    name = "encoder"

    def __init__(self, device) -> None:
        self.asked = 0

    def __call__(self, speech):
        self.asked += len(speech)
        return [self._embed(samples) if samples.any() else None for samples in speech]

    def _embed(self, samples):
        spectrum = np.abs(np.fft.rfft(samples, 1024))[:64]
        return (spectrum / np.linalg.norm(spectrum)).tolist()


@pytest.fixture
def train(tmp_path) -> DataDir:
    return DataDir.read(write_corpus(tmp_path / "train", range(3)))


def test_similarities_are_cosines_to_the_mean_of_natural_speech(train, monkeypatch):
    monkeypatch.setattr(similarity, "SpeakerEncoder", Encoder)
    encoder, judge = Encoder(None), Similarity(JudgeSettings(train=train))
    natural = {u.utt_id: u.read(16000) for u in train}
    means = {
        speaker: np.mean([encoder([natural[f"{speaker}-0{number}"]])[0] for number in range(3)], axis=0)
        for speaker in train.speakers
    }
    samples = natural["f1-00"]
    embedding = np.array(encoder([samples])[0])
    cosines = {name: float(mean @ embedding / np.linalg.norm(mean)) for name, mean in means.items()}
    own = JudgedSpeech(samples=samples, speaker="f1")
    other = JudgedSpeech(samples=samples, speaker="m1", source=samples, source_speaker="f1")
    unknown = JudgedSpeech(samples=samples, speaker="x")
    silent = JudgedSpeech(samples=np.zeros(1000, np.float32), speaker="f1")
    first, second, *without = judge([own, other, unknown, silent])
    assert first["similarity_target"].total == pytest.approx(cosines["f1"])
    assert first["similarity_source"] is None
    assert first["nearest_target"].total == 100 * (max(cosines, key=cosines.get) == "f1")
    assert second["similarity_target"].total == pytest.approx(cosines["m1"])
    assert second["similarity_source"].total == pytest.approx(cosines["f1"])
    assert second["nearest_target"].total == 100 * (max(cosines, key=cosines.get) == "m1")
    assert all(scores["similarity_target"] is scores["nearest_target"] is None for scores in without)
    assert judge.of_data() == {"speakers": 4}


def test_recordings_that_cannot_be_read_are_reported_and_left_out(train, tmp_path, monkeypatch):
    monkeypatch.setattr(similarity, "SpeakerEncoder", Encoder)
    bad = Utterance(utt_id="f1-bad", spk_id="f1", path=tmp_path / "none.wav")
    failures = Failures()
    judge = Similarity(JudgeSettings(train=DataDir((*train.utterances, bad)), failures=failures))
    assert judge.of_data() == {"speakers": 4}
    assert failures.reasons.keys() == {"f1-bad"}


def test_of_many_recordings_twenty_are_taken_evenly():
    assert list(similarity._evenly(range(40))) == list(range(0, 40, 2))
    assert similarity._evenly([1, 2]) == [1, 2]


def test_without_natural_speech_there_is_nothing_to_compare_with():
    with pytest.raises(ConfigError, match="--train DATA"):
        Similarity(JudgeSettings())


def test_natural_speech_is_nearest_to_its_own_speaker(speech):
    pytest.importorskip("resemblyzer")
    data = DataDir.read(speech / "librispeech28")
    by_speaker = [[u for u in data if u.spk_id == speaker][:4] for speaker in data.speakers[:3]]
    train = DataDir(tuple(u for utterances in by_speaker for u in utterances[:3]))
    held_out = [JudgedSpeech(samples=u[3].read(16000), speaker=u[3].spk_id) for u in by_speaker]
    scores = Similarity(JudgeSettings(train=train))(held_out)
    assert [each["nearest_target"].total for each in scores] == [100, 100, 100]
    assert min(each["similarity_target"].total for each in scores) > 0.8
