"""A data directory with one fault each: it is named, and the cleaned copy is without it."""

import pytest
from kaldi_faults import ALL, ERROR, FAULTS, NOTE, OTHERS, assert_as_kaldi_wants_it, edit, find

from sqspeech.data.data_dir import DataDir
from sqspeech.data.findings import Treatment
from sqspeech.data_checks.fix import write_clean
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError

pytestmark = pytest.mark.usefixtures("without_processes")


def test_nothing_is_wrong_with_a_sound_corpus(data):
    report = validate(data)
    assert report.findings == ()
    assert report.utterances == DataDir.read(data).utterances
    assert report.text() == f"{data}: nothing wrong; 6 usable utterances, 0.00 hours, 2 speakers"
    assert report.seconds == pytest.approx(6 * 0.8)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_absent_from_the_cleaned_copy(data, tmp_path, name):
    change, severity, kind, where, usable = FAULTS[name]
    change(data)
    report = validate(data)
    (found,) = find(report, kind)
    assert (found.severity, found.where) == (severity, where.format(data=data))
    assert found.fix
    assert report.failed(strict=False) == (severity is ERROR)
    assert report.failed(strict=True) == (severity is not NOTE)
    assert {utterance.utt_id for utterance in report.utterances} == usable
    if not usable:
        with pytest.raises(DataError, match="nothing usable"):
            write_clean(report, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    assert write_clean(report, tmp_path / "out") == []
    assert {utterance.utt_id for utterance in DataDir.read(tmp_path / "out")} == usable
    assert_as_kaldi_wants_it(tmp_path / "out")
    again = validate(tmp_path / "out")
    assert not again.failed(strict=False)
    assert not find(again, kind) or found.treatment is Treatment.KEPT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out"]


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_reader_refuses_is_an_error(data, name):
    FAULTS[name][0](data)
    try:
        DataDir.read(data)
    except (DataError, OSError):
        assert validate(data).failed(strict=False)


def test_faults_do_not_hide_each_other(data, tmp_path):
    names = ("unsorted", "blank", "repeated", "empty text", "no newline", "gender", "no spk2utt", "NaN")
    for name in names:
        FAULTS[name][0](data)
    report = validate(data)
    assert {finding.kind for finding in report.findings} == {FAULTS[name][2] for name in names}
    write_clean(report, tmp_path / "out")
    assert validate(tmp_path / "out").failed(strict=False) is False
    assert {u.utt_id for u in DataDir.read(tmp_path / "out")} == OTHERS


def test_every_utterance_of_a_kind_is_named(data):
    edit("wav.scp", r"(\S+) .*", r"\1 nowhere-\1.wav")(data)
    assert [finding.where for finding in find(validate(data), "missing audio file")] == sorted(ALL)


def test_no_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        validate(tmp_path / "nowhere")


@pytest.mark.parametrize("corpus", ["librispeech28", "emodb"])
def test_real_speech_has_no_fault_and_its_copy_neither(speech, tmp_path, corpus):
    whole = DataDir.read(speech / corpus)
    subset = whole.subset([utterance.utt_id for utterance in whole][::20])
    subset.write(tmp_path / "data")
    report = validate(tmp_path / "data")
    assert not report.failed(strict=False), report.findings
    assert report.utterances == DataDir.read(tmp_path / "data").utterances
    write_clean(report, tmp_path / "out")
    for name in ("wav.scp", "utt2spk", "spk2utt", "text", "spk2gender"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "data" / name).read_bytes()
