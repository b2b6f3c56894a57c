import pytest
from corpus import write_corpus

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter
from sqspeech.corpus import Processes
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion.evaluate import measure_conversion
from sqspeech.evaluation.metrics import mel_cepstrum
from sqspeech.evaluation.metrics.conversion_metric import CONVERSION_METRICS, ConversionMetric


@pytest.fixture(scope="module")
def converter(experiment) -> Converter:
    return Converter(TrainedModel.load(experiment.checkpoint))


@pytest.fixture
def measure(converter, tmp_path):
    """Evaluate pairs of a corpus whose sentences have formants above the fundamental."""
    data = DataDir.read(write_corpus(tmp_path / "data", range(2)))

    def measure(*pairs: str, jobs: int = 1):
        (tmp_path / "pairs").write_text("".join(f"{pair}\n" for pair in pairs))
        recordings = {utterance.utt_id: utterance.read(16000) for utterance in data}
        return measure_conversion(converter, data, recordings, tmp_path / "pairs", data, workers=Processes(jobs))

    return measure


def test_every_kind_is_measured_and_genders_are_distinguished(measure):
    found, failures = measure("f1-00 f1 m1", "f1-01 f1 f2", "f1-00 f1 m2")
    assert not failures.reasons
    assert found["vocoder"] == "world"
    counts = {name: scores["count"] for name, scores in found.items() if isinstance(scores, dict)}
    assert counts == {"copy": 2, "reconstruction": 2, "conversion": 3, "same_gender": 1, "cross_gender": 2}
    # The vocoder alone loses less than the vocoder and an untrained model.
    assert found["copy"]["mcd_db"] < found["reconstruction"]["mcd_db"]
    assert found["copy"]["f0_rmse_semitones"] < 0.5
    assert found["conversion"]["pitch_semitones"] < 1
    assert found["conversion"]["unit_error"] >= 0
    assert 0 <= found["natural_speaker"] <= 100
    assert 0 < found["real_time_factor"] < 10


def test_a_gender_may_be_known_from_the_training_speech_alone(converter, measure, tmp_path):
    train = DataDir.read(tmp_path / "data")
    data = DataDir(tuple(utterance for utterance in train if utterance.spk_id == "f1"), {"f1": "f"})
    recordings = {utterance.utt_id: utterance.read(16000) for utterance in data}
    (tmp_path / "pairs").write_text("f1-00 f1 m1\n")
    found, _ = measure_conversion(converter, data, recordings, tmp_path / "pairs", train)
    assert found["cross_gender"]["count"] == 1


def test_the_figures_are_the_same_in_several_processes(measure):
    alone, together = (measure("f1-00 f1 m1", "f1-01 f1 m2", jobs=jobs)[0] for jobs in (1, 2))
    assert alone.pop("real_time_factor") > 0
    assert together.pop("real_time_factor") > 0
    assert alone == together


def test_each_recording_is_analysed_once(measure, monkeypatch):
    analysed, original = [], mel_cepstrum.Analysis.__init__

    def count(self, samples, sample_rate):
        analysed.append(samples.tobytes())
        original(self, samples, sample_rate)

    monkeypatch.setattr(mel_cepstrum.Analysis, "__init__", count)
    measure("f1-00 f1 m1", "f2-00 f2 m1", "f1-00 f1 m2", "f2-00 f2 m2")
    # Copies, reconstructions and conversions of two sources, and the recordings of f1, f2, m1 and m2.
    assert len(analysed) == 2 + 2 + 4 + 4
    assert len(set(analysed)) == len(analysed)


def test_a_metric_registered_from_outside_is_measured(measure, monkeypatch):
    CONVERSION_METRICS.names()
    monkeypatch.setattr(CONVERSION_METRICS, "_classes", dict(CONVERSION_METRICS._classes))

    @CONVERSION_METRICS.register("toy_duration")
    class Duration(ConversionMetric):
        def __call__(self, converted):
            short = len(converted.speech.samples) < 12800
            return {"seconds": None if short else len(converted.speech.samples) / converted.speech.sample_rate}

        def of_data(self):
            return {"toy_recordings": len(self.data.test)}

    found, _ = measure("f1-00 f1 m1")
    assert found["conversion"]["seconds"] == pytest.approx(0.8)
    assert found["toy_recordings"] == 8


def test_unknown_utterances_and_speakers_in_pairs_are_named(measure):
    with pytest.raises(DataError, match="pairs:1: no utterance f9-04"):
        measure("f9-04 f9 m1")
    with pytest.raises(DataError, match="no speaker m9; the nearest"):
        measure("f1-00 f1 m9")
