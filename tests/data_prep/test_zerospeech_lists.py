import csv
import json
from collections import Counter

import pytest
from zerospeech_tree import write_lists

from data_prep.zerospeech_lists import ListEntry, read_lists, read_vads
from sqspeech.errors import DataError

UNIT, VOICE, HEARD = "english/train/unit/S015_0000000001", "english/train/voice/V001_02", "english/test/S002_01"


@pytest.fixture
def lists():
    return {
        "train": [
            [UNIT, 0.1, 0.2, "english/train/S015/S015_0000000001"],
            [UNIT, 1.0, 2, "english/train/S015/S015_0000000001_2"],
            [VOICE, 0.0, 1.5, "english/train/V001/V001_02"],
        ],
        "test": [[HEARD, 0.0, 0.305, HEARD]],
        "speakers": ["V001", "S015"],
        "mse_evaluation": [["english/train/parallel/voice/V001_47", "V001"]],
        "synthesis": [[HEARD, "V001"]],
    }


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def published(speech, tmp_path):
    """The genuine lists, which were published apart, in one folder."""
    folder = tmp_path / "published"
    folder.mkdir()
    source = speech / "zerospeech_lists"
    for path in (*(source / "bshall_ZeroSpeech").iterdir(), source / "sony_sqvae/mse_evaluation.json"):
        (folder / path.name).symlink_to(path.resolve())
    return folder


def test_the_published_lists_of_2019_are_read_whole(published):
    found = read_lists(published, "english")
    for name, column, rows in (("train", 2, found.train), ("test", 2, found.test)):
        expected = rows_of(published / f"2019_english_{name}.csv")
        by_speaker = Counter(row[3].split("/")[column].split("_")[0] for row in expected)
        assert Counter(row.spk_id for row in rows) == by_speaker
        assert [(f"english/{row.recording}", row.start, row.utt_id) for row in rows] == [
            (in_path, float(offset), out_path.split("/")[-1]) for in_path, offset, _, out_path in expected
        ]
        assert sum(row.end - row.start for row in rows) == pytest.approx(sum(float(row[2]) for row in expected))
    mse = json.loads((published / "mse_evaluation.json").read_text())
    assert [[f"english/{row.recording}", row.spk_id] for row in found.mse] == mse
    synthesis = rows_of(published / "2019_english_synthesis.csv")
    assert {(f"english/test/{utt_id}", voice) for voice, ids in found.synthesis.items() for utt_id in ids} == set(
        map(tuple, synthesis)
    )
    assert (len(found.train), len({row.spk_id for row in found.train})) == (9473, 102)
    assert (len(found.test), len(mse), len(synthesis)) == (13529, 190, 193)


@pytest.mark.parametrize("place", ["lists", "lists/2019/english"])
def test_json_equals_the_published_csv(published, tmp_path, place):
    names = ("train", "test", "synthesis")
    lists = {name: rows_of(published / f"2019_english_{name}.csv") for name in names}
    for name in ("train", "test"):
        lists[name] = [[row[0], float(row[1]), float(row[2]), row[3]] for row in lists[name]]
    lists["speakers"] = [row[0] for row in rows_of(published / "2019_english_speakers.csv")]
    lists["mse_evaluation"] = json.loads((published / "mse_evaluation.json").read_text())
    write_lists(lists, tmp_path / place)
    assert read_lists(tmp_path / "lists", "english") == read_lists(published, "english")


def test_the_published_synthesis_with_names_to_write(published):
    (published / "2019_english_synthesis.csv").unlink()
    (published / "english.json").rename(published / "synthesis.json")
    entries = json.loads((published / "synthesis.json").read_text())
    assert {voice: len(ids) for voice, ids in read_lists(published, "english").synthesis.items()} == Counter(
        voice for _, voice, _ in entries
    )


@pytest.mark.parametrize(
    ("suffix", "prefix"), [(".json", ""), (".csv", ""), (".csv", "2019_english_"), (".csv", "x_english_")]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_form(lists, tmp_path, suffix, prefix, newline):
    write_lists(lists, tmp_path, suffix, prefix)
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" * (newline == "\r\n") + path.read_bytes().replace(b"\n", newline.encode()))
    found = read_lists(tmp_path, "english")
    assert found.train == (
        ListEntry(recording="train/unit/S015_0000000001", utt_id="S015_0000000001", spk_id="S015", start=0.1, end=0.3),
        ListEntry(
            recording="train/unit/S015_0000000001", utt_id="S015_0000000001_2", spk_id="S015", start=1.0, end=3.0
        ),
        ListEntry(recording="train/voice/V001_02", utt_id="V001_02", spk_id="V001", start=0.0, end=1.5),
    )
    assert found.test == (ListEntry(recording="test/S002_01", utt_id="S002_01", spk_id="S002", start=0.0, end=0.305),)
    assert found.mse == (ListEntry(recording="train/parallel/voice/V001_47", utt_id="V001_47", spk_id="V001"),)
    assert found.synthesis == {"V001": {"S002_01"}}


def test_the_lists_of_2017_may_lie_beside(lists, tmp_path):
    write_lists(lists, tmp_path, ".csv", "2019_english_")
    (tmp_path / "2017_english_train.csv").write_text("test/english/10s/1176,0.0,10.0,english/test/10s/1176\n")
    assert len(read_lists(tmp_path, "english").train) == 3


def test_mse_and_synthesis_may_lack(lists, tmp_path):
    del lists["mse_evaluation"], lists["synthesis"]
    found = read_lists(write_lists(lists, tmp_path), "english")
    assert (found.mse, found.synthesis) == ((), {})


GOOD = [HEARD, 0.0, 0.3, HEARD]


@pytest.mark.parametrize(
    ("name", "entry", "match"),
    [
        ("test", GOOD[:3], "expected in path, offset, duration, out path, found"),
        ("test", [*GOOD, 1], "expected in path, offset"),
        ("test", ["", 0.0, 1.0, HEARD], "expected in path, offset"),
        ("test", [HEARD, "soon", 1.0, HEARD], "offset soon and duration 1.0 are no times"),
        ("test", [HEARD, -0.1, 1.0, HEARD], "offset -0.1 and"),
        ("test", [HEARD, 0.0, 0.0, HEARD], "duration 0.0 are no times"),
        ("test", [HEARD, 0.0, "nan", HEARD], "duration nan are no times"),
        ("test", [HEARD, 0.0, "inf", HEARD], "duration inf are no times"),
        ("test", ["surprise/test/S002_01", 0.0, 1.0, HEARD], "found 'surprise/test/S002_01'; check --language"),
        ("test", ["english/../S002_01", 0.0, 1.0, HEARD], "expected an in path such as"),
        ("test", [f"{HEARD}.wav", 0.0, 1.0, HEARD], "expected an in path such as"),
        ("test", [HEARD, 0.0, 1.0, "english/test/1176"], "ends like S015_0000000001, found 'english/test/1176'"),
        ("test", GOOD, "utterance S002_01 stands twice in the list"),
        ("test", ["english/test/x/S002_01", 0.0, 1.0, "S002_02"], "has the name of test/S002_01 and is another"),
        ("train", [UNIT, 0.0, 1.0, "english/train/S015_03"], "ends like S015/S015_0000000001"),
        ("train", [UNIT, 0.0, 1.0, "english/train/S016/S015_03"], "ends like S015/S015_0000000001"),
        ("mse_evaluation", ["english/train/parallel/voice/V001_48", "V002"], "named after another speaker than V002"),
        ("synthesis", ["english/test/S002_09", "V001"], "english/test/S002_09 is not in the list test"),
        ("synthesis", [HEARD, "V002"], "V002 is no speaker of the list train"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_an_ill_formed_entry_is_one_line_with_its_place(lists, tmp_path, name, entry, match, suffix):
    lists[name].append(entry)
    number = len(lists[name])
    write_lists(lists, tmp_path, suffix)
    with pytest.raises(DataError, match=match) as error:
        read_lists(tmp_path, "english")
    place = f":{number}: " if suffix == ".csv" else f": entry {number}: "
    assert str(error.value).startswith(f"{tmp_path / name}{suffix}{place}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("train.json", b'[["a",', r"train.json: no JSON \(.*line 1"),
        ("train.json", b'{"a": 1}', "expected a list of entries, found a dict"),
        ("train.json", b"[]", "the list is empty"),
        ("test.csv", b"\r\n\n", "the list is empty"),
        ("test.csv", b"\xff", "test.csv: not UTF-8 at byte 0"),
        ("speakers.json", b'["V001"]', "S015 is in the training list but not here"),
        ("mse_evaluation.csv", b"x,V001", "mse_evaluation.csv:1: expected a path that ends like"),
    ],
)
def test_a_list_that_is_none(lists, tmp_path, name, content, match):
    del lists[name.partition(".")[0]]
    write_lists(lists, tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match) as error:
        read_lists(tmp_path, "english")
    assert "\n" not in str(error.value)


def test_which_list_is_meant_must_be_clear(lists, tmp_path):
    write_lists(lists, tmp_path)
    with pytest.raises(DataError, match=r"no train.json, .* in 2019/surprise; check --lists and --language") as error:
        read_lists(tmp_path / "nowhere", "surprise")
    assert "\n" not in str(error.value)
    (tmp_path / "train.csv").touch()
    with pytest.raises(DataError, match=r"train.csv and train.json are both a list train; keep one"):
        read_lists(tmp_path, "english")


def test_vads_run_from_the_first_onset_to_the_last_offset(tmp_path):
    path = tmp_path / "vads.txt"
    path.write_bytes(b"S015_1 0.5 0.75\r\nV001_2\t1 2\n\nS015_1  0.9   1.5\nS015_1 0.25 0.3\n")
    assert read_vads(path) == {"S015_1": (0.25, 1.5), "V001_2": (1.0, 2.0)}


@pytest.mark.parametrize(
    "line", ["S015_1 0.5", "S015_1 0 1 2", "S015_1 a b", "S015_1 1 1", "S015_1 -1 1", "S015_1 0 inf"]
)
def test_an_ill_formed_line_of_vads(tmp_path, line):
    path = tmp_path / "vads.txt"
    path.write_text(f"S015_1 0 1\n{line}\n")
    with pytest.raises(DataError, match=r"vads.txt:2: expected an id, its start and end in seconds, found"):
        read_vads(path)
