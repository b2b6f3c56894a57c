"""The cleaned copy: how utterances are named, and where it may stand."""

import pytest
from kaldi_faults import assert_as_kaldi_wants_it, find

from sqspeech.data.data_dir import DataDir
from sqspeech.data_checks.fix import write_clean
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError

pytestmark = pytest.mark.usefixtures("without_processes")


@pytest.mark.parametrize(
    ("utt2spk", "expected"),
    [
        ({"a": "s2", "b": "s1"}, {"s2-a": "s2", "s1-b": "s1"}),
        ({"s2-a": "s2", "b": "s3", "z": "s1"}, {"s2-a": "s2", "s3-b": "s3", "s1-z": "s1"}),
        ({"s1a": "s1", "s1b1": "s1b", "s1c": "s1"}, {"s1-s1a": "s1", "s1b-s1b1": "s1b", "s1-s1c": "s1"}),
        ({"a": "s1", "b": "s2"}, {"a": "s1", "b": "s2"}),
    ],
)
def test_utterances_are_renamed_only_as_the_order_takes(data, tmp_path, utt2spk, expected):
    files = dict(zip(utt2spk, ("f1-00.wav", "f1-01.wav", "m1-00.wav"), strict=False))
    (data / "spk2gender").unlink()
    (data / "utt2spk").write_text("".join(f"{utt} {spk}\n" for utt, spk in utt2spk.items()))
    (data / "wav.scp").write_text("".join(f"{utt} {file}\n" for utt, file in files.items()))
    (data / "text").write_text("".join(f"{utt} words of {utt}\n" for utt in utt2spk))
    (data / "spk2utt").unlink()
    report = validate(data)
    assert bool(find(report, "utterances that sort unlike their speakers")) == (utt2spk != expected)
    write_clean(report, tmp_path / "out")
    assert_as_kaldi_wants_it(tmp_path / "out")
    assert {u.utt_id: u.spk_id for u in DataDir.read(tmp_path / "out")} == expected
    for (utt, file), new in zip(files.items(), expected, strict=True):
        renamed = next(u for u in DataDir.read(tmp_path / "out") if u.utt_id == new)
        assert renamed.text == f"words of {utt}"
        assert renamed.path.name == file


def test_speakers_that_cannot_be_sorted_are_told_in_one_line(data, tmp_path):
    (data / "utt2spk").write_text("f1-00 a\nf1-01 a-b\nf1-02 a\nm1-00 a+\nm1-01 a\nm1-02 a-b\n")
    report = validate(data)
    assert report.failed(strict=False)
    with pytest.raises(DataError, match=r"some speaker's id begins with another's[^\n]*$"):
        write_clean(report, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_a_new_or_empty_folder_is_written(data, tmp_path):
    report = validate(data)
    with pytest.raises(DataError, match="exists and is not empty"):
        write_clean(report, data)
    (tmp_path / "out").mkdir()
    write_clean(report, tmp_path / "out")
    with pytest.raises(DataError, match="exists and is not empty"):
        write_clean(report, tmp_path / "out")


def test_other_files_are_told(data, tmp_path):
    (data / "phones.item").write_text("#file onset offset\n")
    assert write_clean(validate(data), tmp_path / "out") == ["phones.item"]
