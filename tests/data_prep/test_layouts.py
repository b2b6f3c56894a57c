"""Trees of corpora: each is known by its files, and its speakers and texts are found."""

import re
from pathlib import Path

import pytest
import soundfile
from corpus import voice

from data_prep.folder import prepare
from data_prep.held_out import Shares
from data_prep.layouts import Layout, recognise
from sqspeech.data.folder_walk import list_folder
from sqspeech.errors import DataError

SAMPLES = voice(120, 0, 0.1)
# The files of a tree with their texts, the layout, and of each utterance the speaker and the text.
TREES = {
    "LibriSpeech, one subset": (
        {"train-clean-5/7/11/7-11-0000.flac": "", "train-clean-5/7/11/7-11.trans.txt": "7-11-0000 YES\n"},
        Layout.librispeech,
        {"7-11-0000": ("7", "YES")},
    ),
    "LibriSpeech, several subsets": (
        {
            "train-clean-5/7/11/7-11-0000.flac": "",
            "train-clean-5/7/11/7-11.trans.txt": "\ufeff7-11-0000 YES\r\n",
            "dev-clean/8/12/8-12-0000.flac": "",
            "dev-clean/8/12/8-12.trans.txt": "8-12-0000 NO\n",
            "SPEAKERS.TXT": ";ID | SEX\n7 | F | x\n8 | M | x\n",
        },
        Layout.librispeech,
        {"7-11-0000": ("7", "YES"), "8-12-0000": ("8", "NO")},
    ),
    "LibriSpeech without texts": (
        {"a/7/11/7-11-0000.flac": "", "b/8/12/8-12-0000.flac": ""},
        Layout.librispeech,
        {"7-11-0000": ("7", None), "8-12-0000": ("8", None)},
    ),
    "LibriTTS, one subset": (
        {"dev/14/208/14_208_000001_000002.wav": "", "dev/14/208/14_208_000001_000002.normalized.txt": "One, two.\n"},
        Layout.libritts,
        {"14-208_000001_000002": ("14", "One, two.")},
    ),
    "LibriTTS, several subsets": (
        {
            "train-clean-100/14/208/14_208_000001_000002.wav": "",
            "train-clean-100/14/208/14_208_000001_000002.normalized.txt": "\ufeffOne hundred.\r\n",
            "train-clean-100/14/208/14_208_000001_000002.original.txt": "100.",
            "test-clean/15/9/15_9_000000_000000.wav": "",
            "test-clean/15/9/15_9_000000_000000.original.txt": "Two.",
            "SPEAKERS.txt": ";ID | SEX\n14 | M | x\n15 | F | x\n",
        },
        Layout.libritts,
        {"14-208_000001_000002": ("14", "One hundred."), "15-9_000000_000000": ("15", "Two.")},
    ),
    "LibriTTS, a subset itself": (
        {"14/208/14_208_000001_000002.wav": "", "15/9/15_9_000000_000000.wav": ""},
        Layout.libritts,
        {"14-208_000001_000002": ("14", None), "15-9_000000_000000": ("15", None)},
    ),
    "VCTK": (
        {
            "wav48/p225/p225_001.wav": "",
            "txt/p225/p225_001.txt": "Please call.",
            "wav48/p226/p226_001.wav": "",
            "txt/p226/p226_001.txt": "\ufeffStella.\r\n",
            "speaker-info.txt": "ID AGE GENDER\n225 23 F English\n226 22 M English\n",
        },
        Layout.vctk,
        {"p225-001": ("p225", "Please call."), "p226-001": ("p226", "Stella.")},
    ),
    "VCTK 0.92": (
        {"V/wav48_silence_trimmed/p225/p225_001_mic1.flac": "", "V/txt/p225/p225_001.txt": "Please call."},
        Layout.vctk,
        {"p225-001_mic1": ("p225", "Please call.")},
    ),
    "like VCTK without texts": (
        {"wavs/ann/ann-1.wav": "", "wavs/bob/bob-1.wav": ""},
        Layout.vctk,
        {"ann-1": ("ann", None), "bob-1": ("bob", None)},
    ),
    "like VCTK in subsets": (
        {"train/ann/ann_1.wav": "", "dev/bob/bob_1.wav": ""},
        Layout.vctk,
        {"ann-1": ("ann", None), "bob-1": ("bob", None)},
    ),
    "a folder a speaker": (
        {"ann/1.wav": "", "ann/1.txt": "one", "bob/x/2.wav": ""},
        Layout.speakers,
        {"ann-1": ("ann", "one"), "bob-x-2": ("bob", None)},
    ),
    "a folder a speaker, sessions in it": (
        {"ann/s1/s1_1.wav": "", "bob/s1/s1_1.wav": ""},
        Layout.speakers,
        {"ann-s1-s1_1": ("ann", None), "bob-s1-s1_1": ("bob", None)},
    ),
    "a folder a speaker in subsets": (
        {"train/ann/1.wav": "", "test/bob/2.wav": "", "test/bob/2.txt": "two"},
        Layout.speakers,
        {"ann-1": ("ann", None), "bob-2": ("bob", "two")},
    ),
    "flat, speakers in the names": (
        {"ann_1.wav": "", "ann_2.wav": "", "bob_1.wav": "", "bob_2.wav": "", "bob_2.txt": "two"},
        Layout.flat,
        {"ann-1": ("ann", None), "ann-2": ("ann", None), "bob-1": ("bob", None), "bob-2": ("bob", "two")},
    ),
    "flat, one speaker": (
        {"one.wav": "", "two_a.wav": "", "one.txt": "one"},
        Layout.flat,
        {"tree-one": ("tree", "one"), "tree-two_a": ("tree", None)},
    ),
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt" or path.suffix == ".TXT":
            path.write_bytes(text.encode())
        else:
            soundfile.write(path, SAMPLES, 16000)
    return root


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_known_and_read(tmp_path, name):
    files, layout, expected = TREES[name]
    root = plant(tmp_path / "tree", files)
    assert recognise(list_folder(root)) == layout
    inventory = prepare(root, tmp_path / "data", Shares())
    found = {u.utt_id: (u.spk_id, u.text) for part in inventory.sets.values() for u in part}
    assert found == expected
    assert not inventory.skipped
    genders = {spk: sex for part in inventory.sets.values() for spk, sex in part.spk2gender.items()}
    assert bool(genders) == any(table in files for table in ("SPEAKERS.TXT", "SPEAKERS.txt", "speaker-info.txt"))


@pytest.mark.parametrize("name", TREES)
def test_what_was_recognised_is_said_with_examples(tmp_path, name):
    files, layout, expected = TREES[name]
    prepare(plant(tmp_path / "tree", files), tmp_path / "data", Shares())
    first, *lines = (tmp_path / "data/report.txt").read_text().splitlines()
    assert first.startswith(f"taken for {layout} (")
    assert "--layout" in first
    examples = [line for line in lines if line.startswith("  ")]
    assert len(examples) == min(3, len(expected))
    for line in examples:
        utt_id, speaker, shown = re.fullmatch(r"  (\S+), speaker (\S+): (.*)", line).groups()
        assert expected[utt_id][0] == speaker
        paths = [str(path) for path in (tmp_path / "tree").rglob("*") if path.suffix in (".wav", ".flac")]
        whole = paths if expected[utt_id][1] is None else [expected[utt_id][1]]
        assert any(text == shown or (shown.endswith(" ...") and text.startswith(shown[:60])) for text in whole)


@pytest.mark.parametrize(
    ("layout", "speakers"),
    [
        # Where all first folders are subsets, they are nobody.
        (Layout.speakers, {"7", "8"}),
        (Layout.vctk, {"11", "12"}),
        (Layout.librispeech, {"7", "8"}),
        (Layout.flat, {"tree"}),
        (None, {"7", "8"}),
    ],
)
def test_the_layout_can_be_told(tmp_path, layout, speakers):
    root = plant(tmp_path / "tree", {"train/7/11/7-11-0.flac": "", "dev/8/12/8-12-0.flac": ""})
    inventory = prepare(root, tmp_path / "data", Shares(), layout)
    assert {u.spk_id for part in inventory.sets.values() for u in part} == speakers


def test_a_table_has_no_layout(tmp_path):
    (tmp_path / "t.csv").write_text("path,speaker\n")
    with pytest.raises(DataError, match="--layout flat has no use"):
        prepare(tmp_path / "t.csv", tmp_path / "data", Shares(), Layout.flat)


@pytest.mark.parametrize(
    ("folder", "rows", "ids"),
    [
        ("corpus", ["{0}/ann/1.wav,ann", "{0}/bob/1.wav,bob"], {"ann-1", "bob-1"}),
        ("corpus", ["{0}/ann/1.wav,ann", "{0}/ann/2.wav,ann"], {"ann-1", "ann-2"}),
        ("corpus", ["{0}/s/ann/1.wav,ann", "{0}/t/ann/1.wav,ann"], {"ann-s-ann-1", "ann-t-ann-1"}),
        ("corpus", ["{0}/one.wav,ann"], {"ann-one"}),
        ("lists", ["{0}/ann/1.wav,ann", "{0}/x/2.wav,bob"], {"ann-1", "bob-x-2"}),
        ("lists", ["ann/1.wav,ann", "{0}/x/2.wav,bob"], {"ann-1", "bob-x-2"}),
    ],
)
def test_ids_of_a_table_have_no_whole_path(tmp_path, folder, rows, ids):
    corpus = tmp_path / "corpus"
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists/t.csv"
    if folder == "lists":
        corpus = tmp_path / "lists"
    rows = [row.format(corpus) for row in rows]
    for row in rows:
        plant(table.parent, {row.partition(",")[0]: ""})
    table.write_text("path,speaker\n" + "".join(f"{row}\n" for row in rows))
    inventory = prepare(table, tmp_path / "data", Shares())
    assert {u.utt_id for part in inventory.sets.values() for u in part} == ids


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        ("cafe\u0301.wav", "caf\u00e9.wav", True),
        ("caf\u00e9.wav", "cafe\u0301.wav", True),
        ("clips/w.wav", "clips\\w.wav", True),
        ("ok.wav", "OK.WAV", False),
        ("ok.wav", "no.wav", False),
    ],
)
def test_names_that_are_written_otherwise_are_found_or_hinted_at(tmp_path, there, asked, found):
    plant(tmp_path, {there: "", "good.wav": ""})
    (tmp_path / "t.csv").write_text(f"path,speaker\ngood.wav,s\n{asked},s\n")
    inventory = prepare(tmp_path / "t.csv", tmp_path / "data", Shares())
    paths = {u.path for part in inventory.sets.values() for u in part}
    assert paths == {tmp_path / "good.wav", *([tmp_path / there] if found else [])}
    assert [skip.reason for skip in inventory.skipped] == ([] if found else ["no such file"])
    hints = [skip.name for skip in inventory.skipped if "but ok.wav is; write it so" in skip.detail]
    assert hints == (["t.csv:3"] if asked == "OK.WAV" else [])
