"""Data of the vocoder: F0, phase, samples and the decoded log-mel of each frame."""

import shutil

import numpy as np
import pytest
import yaml
from commands import run
from vocoder_place import HOP, TINY

from sqspeech import Codec, audio
from sqspeech.codec import find_speaker
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig
from sqspeech.pitch import track_f0
from sqspeech.training.vocoder.extraction import fundamental_phase
from sqspeech.vocoders.griffin_lim import GriffinLim


def test_a_row_has_the_frame_s_decoded_log_mel_pitch_and_samples(place, experiment):
    train, _ = place.task().open_data(place.root / "dump")
    utterance = next(iter(train.rows.data))
    rows, mel = train.rows.read(utterance.utt_id), train.features.read(utterance.utt_id)
    samples = audio.read(utterance.path, 16000)[0]
    assert rows.shape == (len(mel), 80 + 2 + HOP)
    np.testing.assert_array_equal(rows[:, 80], track_f0(samples, 16000, HOP).astype(np.float32))
    scaled = samples * (0.999 / np.abs(samples).max())
    emphasised = np.append(scaled[0], scaled[1:] - 0.97 * scaled[:-1])
    np.testing.assert_allclose(rows[:, 82:].flatten()[: len(samples)], emphasised, atol=1e-6)
    assert not rows[:, 82:].flatten()[len(samples) :].any()


class Spy(GriffinLim):
    """Input of a vocoder."""

    def __init__(self) -> None:
        super().__init__(LogMelConfig(), 2)
        self.given = []

    def __call__(self, log_mel, excitation=None):
        self.given.append(log_mel)
        return log_mel.new_zeros((len(log_mel) - 1) * HOP)


def test_the_decoded_log_mel_is_what_the_vocoder_of_a_conversion_is_given(experiment):
    codec, spy = Codec.load(experiment.checkpoint), Spy()
    short = audio.read(experiment.root / "corpus/test/f1-04.wav", 16000)[0]
    for samples, pieces in ((short, 1), (np.resize(short, 25 * 16000 + 77), 2)):
        spy.given.clear()
        codec.convert(samples, to="m1", vocoder=spy)
        mel = codec.synthesizer.log_mel(samples, find_speaker(codec.trained, "m1"))
        assert len(mel) == 1 + len(samples) // HOP
        assert len(spy.given) == pieces
        for count in (50, 1000 if pieces > 1 else len(mel)):
            np.testing.assert_allclose(mel[:count], spy.given[0][:count], atol=1e-6)
        np.testing.assert_allclose(mel[-80:], spy.given[-1][-80:], atol=1e-6)


def test_the_phase_is_that_of_the_fundamental():
    time = np.arange(16000) / 16000
    f0 = 120 + 20 * np.sin(2 * np.pi * time)
    phase = 2 * np.pi * np.cumsum(f0) / 16000 + 0.7
    samples = np.cos(phase) + 0.5 * np.cos(2 * phase + 1) + 0.3 * np.cos(3 * phase + 2)
    found = fundamental_phase(samples.astype(np.float32), f0[::HOP], 16000, HOP)
    error = np.angle(np.exp(1j * (found - phase[::HOP])))
    assert np.abs(error[2:-2]).max() < 0.1


def test_a_second_run_adds_what_is_missing(place, tmp_path, capsys):
    shutil.copytree(place.root / "dump/dev", tmp_path / "dev")
    ark = (tmp_path / "dev/vocoder.ark").read_bytes()
    run("vocoder-data", tmp_path / "dev", "--config", place.config)
    assert "pitch" not in capsys.readouterr().err
    (tmp_path / "dev/vocoder.json").unlink()
    run("vocoder-data", tmp_path / "dev", "--config", place.config)
    assert (tmp_path / "dev/vocoder.ark").read_bytes() == ark


def test_a_dump_without_pitch_is_refused(place, experiment, tmp_path, refused):
    error = refused("train", experiment.root / "dump", tmp_path / "exp", "--config", place.config)
    assert "has no pitch and no samples for a vocoder; run `sqspeech vocoder-data" in error
    assert str(experiment.root / "dump/train") in error


def test_rows_of_another_codec_or_other_features_are_refused(place, tmp_path, refused):
    shutil.copytree(place.root / "dump", tmp_path / "dump")
    train = ("train", tmp_path / "dump", tmp_path / "exp", "--config")
    other = place.root / "none.yaml"
    other.write_text(yaml.safe_dump(TINY))
    assert "but the configuration names None; run `sqspeech vocoder-data" in refused(*train, other)
    with (tmp_path / "dump/dev/utt2version").open("a") as file:
        file.write("x 1 2\n")
    assert "of other features or recordings than the dump now has" in refused(*train, place.config)
    (tmp_path / "dump/train/vocoder.json").write_text("{")
    assert "vocoder.json: damaged; remove it" in refused(*train, place.config)


def test_speech_without_a_voiced_frame_is_refused(tmp_path, monkeypatch):
    # A search takes one thing or another for voice, whatever it is given.
    monkeypatch.setattr(
        "sqspeech.training.vocoder.extraction.track_f0", lambda samples, rate, hop: np.zeros(1 + len(samples) // hop)
    )
    (tmp_path / "data").mkdir()
    click = np.zeros(9600, np.float32)
    click[5000] = 0.5
    for name in ("a-0", "a-1"):
        audio.write(tmp_path / f"data/{name}.wav", click, 16000)
    (tmp_path / "data/wav.scp").write_text("".join(f"{n} {tmp_path}/data/{n}.wav\n" for n in ("a-0", "a-1")))
    (tmp_path / "data/utt2spk").write_text("a-0 a\na-1 a\n")
    extract_features(DataDir.read(tmp_path / "data"), tmp_path / "dump", ExperimentConfig().features)
    (tmp_path / "v.yaml").write_text(yaml.safe_dump(TINY))
    with pytest.raises(DataError, match="no frame of its 2 utterances is voiced; a vocoder is trained on speech"):
        run("vocoder-data", tmp_path / "dump", "--config", tmp_path / "v.yaml")
