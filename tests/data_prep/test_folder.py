import re
import shutil
import sys

import pytest
import soundfile
from corpus import voice

from data_prep import folder
from data_prep.command import run
from sqspeech.data.data_dir import DataDir

SAMPLES = voice(120, 0, seconds=0.2)


def record(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, SAMPLES, 16000, format="WAV" if path.suffix.lower() == ".wav" else None)


@pytest.fixture
def command(monkeypatch):
    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["folder", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run(folder.main)
        return stop.value.code

    return command


def corpus_of(data_dir):
    """The three sets as one: the utterances by id, and the genders."""
    sets = {name: DataDir.read(data_dir / name) for name in ("train", "dev", "test") if (data_dir / name).exists()}
    genders = {spk: sex for part in sets.values() for spk, sex in part.spk2gender.items()}
    return {u.utt_id: u for part in sets.values() for u in part}, genders


def left_out(data_dir):
    return [line.split("\t") for line in (data_dir / "skipped.tsv").read_text().splitlines()[1:]]


@pytest.fixture
def tree(tmp_path):
    """Two good speakers, whose names and files are awkward, and every fault."""
    root = tmp_path / "corpus"
    for name in ("a/1.wav", "a/2.FLAC", "a/x y/3.ogg", "a/x-y/3.mp3", "a-b/1.wav", "a-b/.hidden.wav", "a-b/1.flac"):
        record(root / name)
    (root / "a/1.txt").write_bytes("\ufeffone\n two\n".encode())
    (root / "a/2.TXT").write_text(" \n")
    (root / "a-b/1.txt").write_bytes(b"\xff")
    record(root / "top.wav")
    (root / "a/empty.wav").touch()
    (root / "a/noise.wav").write_bytes(b"no audio at all")
    soundfile.write(root / "a/none.wav", SAMPLES[:0], 16000)
    (root / "a/phone.m4a").touch()
    (root / "a/loop").symlink_to(root)
    (tmp_path / "elsewhere").mkdir()
    record(tmp_path / "elsewhere/1.wav")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    return root


def test_a_folder_a_speaker(command, tree, tmp_path, capsys):
    data = tmp_path / "data"
    assert command(tree, data) == 0
    utterances, _ = corpus_of(data)
    assert {utt_id: (u.spk_id, str(u.path.relative_to(tree)), u.text) for utt_id, u in utterances.items()} == {
        "a-1": ("a", "a/1.wav", "one two"),
        "a-2": ("a", "a/2.FLAC", None),
        "a-x-y-3": ("a", "a/x-y/3.mp3", None),
        "a-x_y-3": ("a", "a/x y/3.ogg", None),
        "a_b-1": ("a_b", "a-b/1.flac", None),
        "linked-1": ("linked", "linked/1.wav", None),
    }
    assert sorted(row[:3] for row in left_out(data)) == [
        ["a-b/1.wav", "a_b", "stands twice"],
        ["a/empty.wav", "a", "unreadable or empty"],
        ["a/loop", "?", "a link to a folder seen before"],
        ["a/noise.wav", "a", "unreadable or empty"],
        ["a/none.wav", "a", "unreadable or empty"],
        ["a/phone.m4a", "?", "a format that is not read"],
        ["top.wav", "?", "not in a speaker's folder"],
    ]
    out = capsys.readouterr().out
    assert "train: 4 utterances, 3 speakers" in out
    assert "left out, unreadable or empty: 3 (a 3)" in out
    assert "texts that are not UTF-8, so left out: 1, such as" in out


def test_strict_writes_what_is_good_and_fails(command, tree, tmp_path, capsys):
    assert command(tree, tmp_path / "strict", "--strict") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"error: 7 left out (see {tmp_path}/strict/skipped.tsv), which --strict forbids"
    command(tree, tmp_path / "plain")
    assert corpus_of(tmp_path / "strict") == corpus_of(tmp_path / "plain")
    shutil.rmtree(tree / "a")
    (tree / "top.wav").unlink()
    (tree / "a-b/1.wav").unlink()
    assert command(tree, tmp_path / "strict", "--strict") == 0


def test_shares_are_of_each_speaker(command, tmp_path):
    record(tmp_path / "x.wav")
    for speaker in "ab":
        (tmp_path / "corpus" / speaker).mkdir(parents=True)
        for index in range(200):
            (tmp_path / f"corpus/{speaker}/{index}.wav").hardlink_to(tmp_path / "x.wav")
    assert command(tmp_path / "corpus", tmp_path / "data", "--dev-share", "0.2", "--test-share", "0") == 0
    assert not (tmp_path / "data/test").exists()
    counts = {spk: sum(u.spk_id == spk for u in DataDir.read(tmp_path / "data/dev")) for spk in "ab"}
    assert all(20 <= count <= 60 for count in counts.values())
    assert command(tmp_path / "corpus", tmp_path / "data", "--dev-share", "0.5", "--test-share", "0.5") == 2


def test_one_level_too_high_is_remarked(command, tmp_path, capsys):
    for name in ("wav/a/1.wav", "wav/b/1.wav"):
        record(tmp_path / "corpus" / name)
    command(tmp_path / "corpus", tmp_path / "data")
    assert f"if the folders in it are the speakers, give {tmp_path}/corpus/wav\n" in capsys.readouterr().out
    command(tmp_path / "corpus/wav", tmp_path / "data")
    assert "one speaker" not in capsys.readouterr().out


def make(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("files", "corpus", "match"),
    [
        ([], "nothing", "nothing: no such folder"),
        (["x.zip"], "x.zip", "neither a folder nor a .csv or .tsv; unpack"),
        (["c/a/x.txt"], "c", r"no audio in this folder \(.*\.wav\b.*\); check the path"),
        (["c/a/x.m4a", "c/b/x.m4a"], "c", "the 2 .m4a files must be converted"),
        (["c/x.wav"], "c", "no usable recording.*the file is empty"),
        (["c/a/x.wav"], "c", "no usable recording.*the file is empty"),
    ],
)
def test_nothing_usable_is_one_line_and_status_1(command, tmp_path, capsys, files, corpus, match):
    for name in files:
        make(tmp_path / name, b"")
    assert command(tmp_path / corpus, tmp_path / "data") == 1
    error = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Reading headers")]
    assert len(error) == 1
    assert re.search(f"^error: .*{match}", error[0])
    assert not (tmp_path / "data").exists()


def librispeech_copy(speech, root):
    source = speech / "librispeech28/LibriSpeech"
    for name in ("1088", "118", "19"):
        for path in sorted((source / "train-clean-5" / name).rglob("*.flac"))[:4]:
            target = root / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            transcript = f"{path.parent.parent.name}-{path.parent.name}.trans.txt"
            lines = (path.parent / transcript).read_text().splitlines(keepends=True)
            kept = "".join(line for line in lines if (target.parent / f"{line.split()[0]}.flac").exists())
            (target.parent / transcript).write_text(kept)
    shutil.copy(source / "SPEAKERS.TXT", root)
    return root


def table(path):
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


@pytest.mark.parametrize("given", ["..", ".", "train-clean-5"])
def test_librispeech_from_any_level(command, speech, tmp_path, given):
    root = librispeech_copy(speech, tmp_path / "corpora/LibriSpeech")
    assert command(root / given, tmp_path / "data", "--strict") == 0
    utterances, genders = corpus_of(tmp_path / "data")
    kaldi = speech / "librispeech28"
    stems = {path.stem for path in root.rglob("*.flac")}
    assert {u.utt_id: u.spk_id for u in utterances.values()} == {
        utt_id: speaker for utt_id, speaker in table(kaldi / "utt2spk").items() if utt_id in stems
    }
    assert {u.utt_id: u.text for u in utterances.values()} == {
        utt_id: text for utt_id, text in table(kaldi / "text").items() if utt_id in stems
    }
    assert genders == {spk: sex for spk, sex in table(kaldi / "spk2gender").items() if spk in {"1088", "118", "19"}}
    assert all(u.path.stem == u.utt_id for u in utterances.values())


def test_what_is_missing_of_a_librispeech_tree_is_named(command, tmp_path):
    chapter = tmp_path / "c/7/11"
    record(chapter / "7-11-0000.wav")
    record(chapter / "7-11-0002.wav")
    record(chapter / "other.wav")
    record(tmp_path / "c/7/12/7-12-0000.wav")
    (chapter / "7-11.trans.txt").write_text("7-11-0000 YES\n7-11-0001 NO\n")
    assert command(tmp_path / "c", tmp_path / "data") == 0
    utterances, genders = corpus_of(tmp_path / "data")
    assert {u.utt_id: u.text for u in utterances.values()} == {
        "7-11-0000": "YES",
        "7-11-0002": None,
        "7-12-0000": None,
    }
    assert genders == {}
    assert [row[:3] for row in left_out(tmp_path / "data")] == [
        ["7/11/other.wav", "7", "of no LibriSpeech chapter"],
        ["7-11-0001", "7", "a transcript without a recording"],
    ]


def test_real_recordings_by_speaker(command, speech, tmp_path):
    source = speech / "emodb"
    assert command(source / "wav", tmp_path / "data", "--strict") == 0
    utterances, _ = corpus_of(tmp_path / "data")
    speakers = table(source / "utt2spk")
    recorded = {(speakers[utt_id], (source / wav).resolve()) for utt_id, wav in table(source / "wav.scp").items()}
    assert {(u.spk_id, u.path.resolve()) for u in utterances.values()} == recorded
    hours = [float(x) for x in re.findall(r"([\d.]+) hours", (tmp_path / "data/report.txt").read_text())]
    assert sum(hours) == pytest.approx(sum(map(float, table(source / "utt2dur").values())) / 3600, abs=0.016)
