import sys
from collections import defaultdict
from pathlib import Path

import pytest

from data_prep import split
from data_prep.command import run
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError

SPEECH = Path(__file__).resolve().parents[2] / "../shared/speech"
CORPORA = {"librispeech28": 337, "emodb": 535}


@pytest.fixture(params=CORPORA)
def source(request):
    folder = SPEECH / request.param
    if not folder.exists():
        pytest.skip("no recordings here")
    return folder


def keys(path):
    return [line.split()[0] for line in path.read_text().splitlines()]


def expected_sets(source):
    sets, seen = defaultdict(list), defaultdict(int)
    for line in sorted((source / "utt2spk").read_text().splitlines()):
        utt_id, speaker = line.split()
        sets[{"0": "test", "5": "dev"}.get(str(seen[speaker])[-1], "train")].append(utt_id)
        seen[speaker] += 1
    return sets


def test_every_tenth_of_a_speaker_is_held_out(source, tmp_path):
    split.split(source, tmp_path)
    expected = expected_sets(source)
    assert sum(len(utt_ids) for utt_ids in expected.values()) == CORPORA[source.name]
    for name, utt_ids in expected.items():
        assert keys(tmp_path / name / "utt2spk") == utt_ids
        assert keys(tmp_path / name / "wav.scp") == utt_ids
        paths = [line.split()[1] for line in (tmp_path / name / "wav.scp").read_text().splitlines()]
        assert all(Path(path).is_file() for path in paths)


def test_items_follow_their_utterances(source, tmp_path):
    split.split(source, tmp_path)
    original = (source / "phones.item").read_text().splitlines()
    parts = {name: (tmp_path / name / "phones.item").read_text().splitlines() for name in ("train", "dev", "test")}
    assert {lines[0] for lines in parts.values()} == {original[0]}
    assert sorted(line for lines in parts.values() for line in lines[1:]) == sorted(original[1:])
    for name, lines in parts.items():
        assert {line.split()[0] for line in lines[1:]} <= set(keys(tmp_path / name / "utt2spk"))


def write_corpus(folder, n_utterances):
    folder.mkdir()
    utt_ids = [f"a-{index:02d}" for index in range(n_utterances)]
    (folder / "wav.scp").write_text("".join(f"{utt_id} {utt_id}.wav\n" for utt_id in utt_ids))
    (folder / "utt2spk").write_text("".join(f"{utt_id} a\n" for utt_id in utt_ids))


def test_without_items_none_is_left_from_before(tmp_path):
    write_corpus(tmp_path / "source", 12)
    (tmp_path / "out/dev").mkdir(parents=True)
    (tmp_path / "out/dev/phones.item").write_text("stale\n")
    split.split(tmp_path / "source", tmp_path / "out")
    assert keys(tmp_path / "out/test/utt2spk") == ["a-00", "a-10"]
    assert keys(tmp_path / "out/dev/utt2spk") == ["a-05"]
    assert not (tmp_path / "out/dev/phones.item").exists()


def test_an_unseen_speaker_is_in_no_other_set(source, tmp_path):
    corpus = DataDir.read(source)
    left_out = corpus.speakers[::9]
    sets = split.split(source, tmp_path, left_out)
    assert sets["unseen"].speakers == left_out
    assert keys(tmp_path / "unseen/utt2spk") == [u.utt_id for u in corpus if u.spk_id in left_out]
    for name in ("train", "dev", "test"):
        others = {
            utt_id for utt_id in expected_sets(source)[name] if corpus.subset([utt_id]).speakers[0] not in left_out
        }
        assert set(keys(tmp_path / name / "utt2spk")) == others
    assert {line.split()[0] for line in (tmp_path / "unseen/phones.item").read_text().splitlines()[1:]} <= {
        utterance.utt_id for utterance in sets["unseen"]
    }


def test_an_unknown_speaker_is_said(tmp_path):
    write_corpus(tmp_path / "source", 12)
    with pytest.raises(DataError, match="--unseen b: .* has no such speaker"):
        split.split(tmp_path / "source", tmp_path / "out", ["b"])


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["split", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        run(split.main)
    return stop.value.code


def test_command_prints_each_set(monkeypatch, tmp_path, capsys):
    write_corpus(tmp_path / "source", 12)
    assert command(monkeypatch, tmp_path / "source", tmp_path / "out") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "train: 9 utterances, 1 speakers",
        "dev: 1 utterances, 1 speakers",
        "test: 2 utterances, 1 speakers",
    ]


def test_expected_failure_is_one_line_and_status_1(monkeypatch, tmp_path, capsys):
    assert command(monkeypatch, tmp_path / "nothing", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {tmp_path}/nothing/wav.scp: no such file")
    assert captured.err.count("\n") == 1
