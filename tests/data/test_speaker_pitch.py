import numpy as np
import pytest
import soundfile
from corpus import SPEAKERS, write_corpus

from sqspeech.corpus import Processes
from sqspeech.data import speaker_pitch
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.speaker_pitch import read_speaker_pitch
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig


def test_a_dump_has_the_pitch_of_its_speakers_whatever_the_jobs(tmp_path):
    data = DataDir.read(write_corpus(tmp_path / "corpus", range(4)))
    for jobs in (1, 2):
        extract_features(data, tmp_path / str(jobs), LogMelConfig(), workers=Processes(jobs))
    found = read_speaker_pitch(tmp_path / "1")
    assert list(found) == sorted(SPEAKERS)
    for speaker, pitch in found.items():
        assert abs(12 * np.log2(pitch.median_hz / SPEAKERS[speaker])) < 0.5
        assert 0.03 < pitch.log_std < 0.15  # the corpus glides by 10 %
    assert (tmp_path / "1/spk2pitch").read_bytes() == (tmp_path / "2/spk2pitch").read_bytes()


def test_a_speaker_without_a_voice_is_left_out(tmp_path):
    write_corpus(tmp_path / "corpus")
    for sentence in range(3):
        soundfile.write(tmp_path / f"corpus/m2-{sentence:02}.wav", np.zeros(8000), 16000)
    extract_features(DataDir.read(tmp_path / "corpus"), tmp_path / "dump", LogMelConfig())
    assert set(read_speaker_pitch(tmp_path / "dump")) == set(SPEAKERS) - {"m2"}


def test_enough_of_a_speaker_is_spread_over_all_of_it(monkeypatch):
    utterances = [Utterance(utt_id=f"u{number:02}", spk_id="u", path=None) for number in range(40)]
    frames = {utterance.utt_id: 500 for utterance in utterances}
    chosen = [u.utt_id for u in speaker_pitch._enough(utterances, frames, LogMelConfig())]
    assert len(chosen) == 12  # of 5 s each
    numbers = sorted(int(name[1:]) for name in chosen)
    assert max(np.diff([0, *numbers, 39])) <= 8


@pytest.mark.parametrize("line", ["f1 5.3\n", "f1 high low\n", "f1 1 2 3\n"])
def test_a_damaged_table_is_named(tmp_path, line):
    (tmp_path / "spk2pitch").write_text(line)
    with pytest.raises(DataError, match="spk2pitch: damaged"):
        read_speaker_pitch(tmp_path)


def test_a_dump_without_the_table_is_named(tmp_path):
    with pytest.raises(DataError, match="spk2pitch"):
        read_speaker_pitch(tmp_path)
