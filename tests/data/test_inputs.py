"""Inputs of a command line."""

from pathlib import Path

import pytest

from sqspeech import audio
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "x" * 5000, "nothing*.wav"])
def test_what_is_not_there_is_one_line(name):
    with pytest.raises(DataError, match="no such file or folder; check the path"):
        read_inputs([Path(name)])


def test_an_empty_data_directory_is_named(tmp_path):
    for name in ("wav.scp", "utt2spk"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"{tmp_path}: no utterance"):
        read_inputs([tmp_path])


def test_two_recordings_of_one_stem_are_both_named(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.wav").touch()
    with pytest.raises(DataError, match=f"{tmp_path}/a/x.wav and {tmp_path}/b/x.wav are both named x"):
        read_inputs([tmp_path / "a", tmp_path / "b"])
    assert [each.utt_id for each in read_inputs([tmp_path, tmp_path])] == ["a-x", "b-x"]


def test_a_path_that_no_file_can_have_is_bad_audio():
    with pytest.raises(DataError, match="cannot read the audio file"):
        audio.probe(Path("x" * 300))
