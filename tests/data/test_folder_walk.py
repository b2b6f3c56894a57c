"""The part of a folder that is read, by the commands and by preparation alike."""

import os
from pathlib import Path

import pytest
import soundfile
from corpus import voice

from data_prep.folder import prepare
from data_prep.held_out import Shares
from data_prep.layouts import Layout
from sqspeech import audio
from sqspeech.data.data_dir import DataDir
from sqspeech.data.folder_walk import UNREAD, list_folder
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError
from sqspeech.failures import Failures

SAMPLES = voice(120, 0, 0.2)
# A file beside s/good.wav, and whether it is read, left out by name, or passed over.
FILES = {
    "s/x.wav": "read",
    "s/x.WAV": "read",
    "s/x.flac": "read",
    "s/deep/er/x.wav": "read",
    "s/x y.wav": "read",
    "s/é.wav": "read",
    "s/-rf.wav": "read",
    "s/x.y.wav": "read",
    "t/x.wav": "read",
    "s/.x.wav": "passed over",
    "s/._good.wav": "passed over",
    ".hidden/x.wav": "passed over",
    "__MACOSX/x.wav": "passed over",
    "s/__MACOSX/x.wav": "passed over",
    "s/x.txt": "passed over",
    "s/wav": "passed over",
    "s/x.m4a": "left out",
    "s/x.WMA": "left out",
    "s/x.webm": "left out",
    os.fsdecode(b"s/caf\xe9.wav"): "left out",
    os.fsdecode(b"\xff/x.wav"): "left out",
    "s/good.flac": "twin",
    "s/good.mp3": "twin",
}


def record(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = path.suffix[1:].upper() if path.suffix in (".flac", ".mp3", ".ogg") else "WAV"
    with path.open("wb") as file:
        soundfile.write(file, SAMPLES, 16000, format=form)


def both_ways(folder: Path, out: Path) -> tuple[set[Path], set[Path], Failures]:
    """Return the files that the commands read, those that preparation does, and what the former left out."""
    failures = Failures()
    read = {utterance.path for utterance in read_inputs([folder], failures)}
    inventory = prepare(folder, out, Shares(), Layout.speakers)
    assert len(inventory.skipped) == len(failures.reasons)
    return read, {utterance.path for part in inventory.sets.values() for utterance in part}, failures


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_a_file_is_read_by_all_or_by_none(tmp_path, name):
    good, other = tmp_path / "in/s/good.wav", tmp_path / "in" / name
    record(good)
    record(other)
    read, prepared, failures = both_ways(tmp_path / "in", tmp_path / "out")
    assert read == prepared
    match FILES[name]:
        case "read":
            assert (read, failures.reasons) == ({good, other}, {})
        case "passed over":
            assert (read, failures.reasons) == ({good}, {})
        case "left out":
            assert read == {good}
            assert list(failures.reasons) == [str(other).encode(errors="backslashreplace").decode()]
        case "twin":
            # The one that has lost nothing.
            used, left = (other, good) if name.endswith(".flac") else (good, other)
            assert read == {used}
            assert failures.reasons == {str(left): f"the same recording in another format, {used.name}, is used"}


@pytest.mark.parametrize(
    ("link", "target", "found"),
    [
        ("s/x.wav", "s/good.wav", {"s/good.wav", "s/x.wav"}),
        ("t", "elsewhere", {"s/good.wav", "t/y.wav"}),
        ("s/loop", "in", {"s/good.wav"}),
        ("s/loop", "in/s", {"s/good.wav"}),
        ("t", "in/s", {"s/good.wav"}),
        ("t", "nowhere", {"s/good.wav"}),
    ],
)
def test_links_are_followed_once(tmp_path, link, target, found):
    record(tmp_path / "in/s/good.wav")
    record(tmp_path / "elsewhere/y.wav")
    (tmp_path / "in" / link).symlink_to(
        tmp_path / (target if target.startswith(("in", "el", "no")) else f"in/{target}")
    )
    read, prepared, _ = both_ways(tmp_path / "in", tmp_path / "out")
    assert read == prepared == {tmp_path / "in" / name for name in found}


def test_a_link_that_leads_nowhere_is_one_recording_less(tmp_path):
    record(tmp_path / "s/good.wav")
    (tmp_path / "s/x.wav").symlink_to("nowhere.wav")
    bad, good = sorted(read_inputs([tmp_path]), key=lambda utterance: utterance.path.name != "x.wav")
    assert len(good.read(16000)) == len(SAMPLES)
    with pytest.raises(DataError, match="no such audio file"):
        bad.read(16000)


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["a/b.wav", "a-b.wav"], {"a-b.wav": "a-b", "a/b.wav": "a-b.2"}),
        (["x y.wav", "x_y.wav"], {"x_y.wav": "x_y", "x y.wav": "x_y.2"}),
        (["a/b.wav", "a-b.wav", "a-b.2.wav"], {"a-b.wav": "a-b", "a-b.2.wav": "a-b.2", "a/b.wav": "a-b.3"}),
    ],
)
def test_recordings_of_one_name_are_told_apart(tmp_path, names, ids):
    for name in names:
        record(tmp_path / name)
    found = {str(utterance.path.relative_to(tmp_path)): utterance.utt_id for utterance in read_inputs([tmp_path])}
    assert found == ids


def test_two_formats_given_by_name_are_one_recording(tmp_path, capsys):
    for name in ("a.wav", "a.flac", "b.wav"):
        record(tmp_path / name)
    failures = Failures()
    found = read_inputs([tmp_path / "a.flac", tmp_path / "a.wav", tmp_path / "b.wav"], failures)
    assert [utterance.path.name for utterance in found] == ["a.flac", "b.wav"]
    assert "a.wav: the same recording in another format, a.flac, is used" in capsys.readouterr().err


def test_a_pattern_finds_no_hidden_file_but_one_that_asks_for_it(tmp_path):
    for name in ("a.wav", "._a.wav", ".b/c.wav"):
        record(tmp_path / name)
    assert [u.path.name for u in read_inputs([tmp_path / "*.wav"])] == ["a.wav"]
    assert [u.path.name for u in read_inputs([tmp_path / "**/*.wav"])] == ["a.wav"]
    assert [u.path.name for u in read_inputs([tmp_path / ".b/*.wav"])] == ["c.wav"]


def test_what_is_passed_over_is_counted(tmp_path, capsys):
    for name in ("a.wav", "a.txt", "b.txt", "c.json", ".d.txt", "README"):
        record(tmp_path / name)
    read_inputs([tmp_path])
    assert capsys.readouterr().err == (
        f"{tmp_path}: skipped, as they are no audio: 4 (.txt 2, without suffix 1, .json 1)\n"
    )


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["a.m4a", "b.m4a", "c.wma"], "the 2 .m4a files must be converted to .flac"),
        (["a.txt"], "check the path"),
        ([], "check"),
    ],
)
def test_a_folder_without_audio_is_said(tmp_path, names, hint):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"no audio in this folder .*; {hint}"):
        list_folder(tmp_path).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    record(tmp_path / "a.wav")
    (tmp_path / "b").mkdir(mode=0)
    assert [left.path.name for left in list_folder(tmp_path).left_out] == ["b"]


def test_what_is_read_is_not_unread():
    assert ".wav" in audio.SUFFIXES - UNREAD
    assert DataDir(()).utterances == ()
