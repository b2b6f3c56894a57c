from collections import Counter
from pathlib import Path

import pytest

from data_prep.inventory import Inventory
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError, SqspeechError

NAMES = ("train", "dev", "test")


def data_dir(*utt_ids):
    utterances = (Utterance(utt_id=utt_id, spk_id=utt_id[:1], path=Path(f"/{utt_id}.wav")) for utt_id in utt_ids)
    return DataDir(tuple(utterances), {"a": "f"} if any(utt_id[0] == "a" for utt_id in utt_ids) else {})


@pytest.fixture
def inventory():
    sets = {"train": data_dir("a1", "a2", "b1"), "test": data_dir("a3")}
    filled = Inventory(sets, {"a1": 3600.0, "a2": 1800.0, "b1": 360.0, "a3": 36.0}, remarks=["a remark"])
    for name, speaker, reason in (("a9", "a", "empty"), ("c1", "c", "empty"), ("c2", "c", "empty"), ("d1", "d", "odd")):
        filled.skip(name, speaker, reason, "detail")
    return filled


def test_text_says_what_was_kept_and_left_out(inventory):
    assert inventory.text().splitlines() == [
        "train: 3 utterances, 2 speakers, 1.60 hours",
        "test: 1 utterances, 1 speakers, 0.01 hours",
        "left out, empty: 3 (c 2, a 1)",
        "left out, odd: 1 (d 1)",
        "a remark",
    ]


def test_only_the_first_speakers_of_a_reason_are_named():
    inventory = Inventory()
    for speaker in "aabbbccd":
        inventory.skip("x", speaker, "empty")
    assert inventory.text() == "left out, empty: 8 (b 3, a 2, c 2, ...)\n"


def test_tables_count_each_speaker(inventory, tmp_path):
    inventory.write(tmp_path, NAMES)
    assert (tmp_path / "report.txt").read_text() == inventory.text()
    assert [line.split("\t") for line in (tmp_path / "report.tsv").read_text().splitlines()] == [
        ["speaker", "gender", "train", "test", "empty", "odd"],
        ["a", "f", "2", "1", "1", "0"],
        ["b", "", "1", "0", "0", "0"],
        ["c", "", "0", "0", "2", "0"],
        ["d", "", "0", "0", "0", "1"],
    ]
    rows = [line.split("\t") for line in (tmp_path / "skipped.tsv").read_text().splitlines()]
    assert rows[0] == ["name", "speaker", "reason", "detail"]
    assert Counter(row[2] for row in rows[1:]) == {"empty": 3, "odd": 1}


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\r\nb", "a\u2028b", "a\udcffb"])
def test_any_file_name_fits_a_row(inventory, tmp_path, name):
    inventory.skip(name, name, "odd", name)
    inventory.write(tmp_path, NAMES)
    rows = (tmp_path / "skipped.tsv").read_text().splitlines()
    assert len(rows) == 6
    assert {row.count("\t") for row in rows} == {3}
    assert {row.count("\t") for row in (tmp_path / "report.tsv").read_text().splitlines()} == {5}


def test_sets_are_written_and_those_of_an_earlier_run_removed(inventory, tmp_path):
    data_dir("a1").write(tmp_path / "dev")
    data_dir("a1").write(tmp_path / "mine")
    inventory.write(tmp_path, NAMES)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"train", "test", "mine"}
    assert [u.utt_id for u in DataDir.read(tmp_path / "train")] == ["a1", "a2", "b1"]


def test_an_earlier_set_that_cannot_be_removed_is_an_error(inventory, tmp_path):
    (tmp_path / "dev").write_text("a file")
    with pytest.raises(SqspeechError, match="dev: cannot remove an earlier run's set"):
        inventory.write(tmp_path, NAMES)


def test_nothing_usable_is_one_line_and_writes_nothing(tmp_path):
    inventory = Inventory()
    inventory.skip("a1", "a", "empty", "0 bytes")
    told = r"no usable recording, so nothing was written; the first of 1, a1: empty: 0 bytes$"
    with pytest.raises(DataError, match=told):
        inventory.write(tmp_path / "data", NAMES)
    with pytest.raises(DataError, match=r"no usable recording, so nothing was written$"):
        Inventory().write(tmp_path / "data", NAMES)
    assert not (tmp_path / "data").exists()
