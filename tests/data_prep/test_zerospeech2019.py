import re
import shutil
import sys

import numpy as np
import pytest
import soundfile
from zerospeech_tree import RATE, lists_for, write_lists, write_tree

from data_prep import zerospeech2019
from data_prep.command import run
from sqspeech.data.data_dir import DataDir


@pytest.fixture
def command(monkeypatch):
    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["zerospeech2019", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run(zerospeech2019.main)
        return stop.value.code

    return command


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A corpus of both languages; not to be changed."""
    corpus = tmp_path_factory.mktemp("zerospeech")
    write_tree(corpus, "english")
    write_tree(corpus, "surprise")
    return corpus


@pytest.fixture
def corpus(built, tmp_path):
    return shutil.copytree(built, tmp_path / "corpus")


def sets_of(data):
    return {path.name: {u.utt_id: u for u in DataDir.read(path)} for path in data.iterdir() if path.is_dir()}


def stems(*folders):
    return {path.stem for folder in folders for path in folder.glob("*.wav")}


def spans(utterances):
    return {u.utt_id: (u.start, u.end) for u in utterances.values()}


def left_out(data):
    return {tuple(line.split("\t")[:3]) for line in (data / "skipped.tsv").read_text().splitlines()[1:]}


@pytest.mark.parametrize(("language", "voices"), [("english", ["V001", "V002"]), ("surprise", ["V001"])])
def test_without_lists_the_disk_is_the_list(command, built, tmp_path, language, voices, capsys):
    data, root = tmp_path / "data", built / language
    assert command(built, data, "--language", language, "--strict") == 0
    sets = sets_of(data)
    assert sorted(sets) == ["conversion", "dev", "mse", "test", "train"]
    assert sets["conversion"].keys() == sets["test"].keys()
    training = {**sets["train"], **sets["dev"]}
    assert training.keys() == stems(root / "train/unit", root / "train/voice")
    assert not sets["train"].keys() & sets["dev"].keys()
    assert sorted({u.spk_id for u in training.values()}) == ["S015", "S020", "S133", *voices]
    assert sets["test"].keys() == stems(root / "test")
    assert sets["mse"].keys() == stems(root / "train/parallel/voice")
    assert sorted({u.spk_id for u in sets["mse"].values()}) == voices
    assert not training.keys() & sets["mse"].keys()
    timed = [line.split()[0] for line in (root / "vads.txt").read_text().splitlines()]
    expected = {stem: (0.125, 0.75) if stem in timed else (0.0, None) for stem in training}
    assert spans(training) == expected
    assert set(spans({**sets["test"], **sets["mse"]}).values()) == {(0.0, None)}
    for utterances in sets.values():
        assert all(u.path == root / u.path.relative_to(root) and len(u.read(RATE)) for u in utterances.values())
    n_speakers = 3 + len(voices)
    out = capsys.readouterr().out
    assert re.search(rf"^train: {3 * n_speakers} utterances, {n_speakers} speakers, 0.00 hours$", out, re.MULTILINE)
    assert f"not in vads.txt, so used whole: {n_speakers} of {4 * n_speakers}\n" in out
    assert out == (data / "report.txt").read_text()


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_lists_cut_the_recordings(command, built, tmp_path, suffix):
    data, root = tmp_path / "data", built / "english"
    published = lists_for(root)
    twice = ["english/train/unit/S015_0000000001", 0.5, 0.2504, "english/train/S015/S015_0000000001_b"]
    published["train"].append(twice)
    assert command(built, data, "--lists", write_lists(published, tmp_path / "lists", suffix), "--strict") == 0
    sets = sets_of(data)
    training = {**sets["train"], **sets["dev"]}
    assert training.keys() == {row[3].split("/")[-1] for row in published["train"]}
    assert len(training) == len(sets["train"]) + len(sets["dev"])
    for in_path, offset, duration, out_path in published["train"]:
        utterance = training[out_path.split("/")[-1]]
        assert utterance.spk_id == out_path.split("/")[2]
        samples, _ = soundfile.read(built / f"{in_path}.wav", dtype="float32")
        by_hand = samples[round(offset * RATE) : round((offset + duration) * RATE)]
        np.testing.assert_array_equal(utterance.read(RATE), by_hand)
    assert "S015_0000000001_b S015_0000000001 0.5 0.7504\n" in "".join(
        (data / name / "segments").read_text() for name in ("train", "dev")
    )
    assert {(f"english/train/parallel/voice/{u.path.stem}", u.spk_id) for u in sets["mse"].values()} == {
        (in_path, speaker) for in_path, speaker in published["mse_evaluation"]
    }
    assert not {u.path for u in training.values()} & {u.path for u in sets["mse"].values()}
    assert sets["conversion"].keys() == sets["synthesis_V001"].keys() | sets["synthesis_V002"].keys()
    for voice in ("V001", "V002"):
        to_convert = {in_path.split("/")[-1] for in_path, target in published["synthesis"] if target == voice}
        assert sets[f"synthesis_{voice}"].keys() == to_convert
    assert len(sets["synthesis_V001"]) + len(sets["synthesis_V002"]) == len(sets["test"]) == len(published["test"])
    assert all(len(u.read(RATE)) for utterances in sets.values() for u in utterances.values())


def test_without_a_list_the_longest_of_each_speaker_are_converted(command, corpus, tmp_path):
    test = corpus / "english/test"
    for number, seconds in enumerate((0.3, 0.5, 0.4, 0.5, 0.1, 0.6, 0.3)):
        soundfile.write(test / f"S030_000000700{number}.wav", np.zeros(round(seconds * RATE)), RATE)
    assert command(corpus, tmp_path / "data") == 0
    to_convert = sets_of(tmp_path / "data")["conversion"].keys()
    # Of the four of 0.2 s the first two; the four of the other speaker are all there is.
    longest = {f"S030_000000700{number}" for number in (0, 1, 2, 3, 5, 6)} | {"S030_0000006000", "S030_0000006001"}
    assert to_convert == longest | stems(test) - {path.stem for path in test.glob("S030*")}


def test_every_oddity_of_the_disk_is_reported(command, corpus, tmp_path, capsys):
    root, data = corpus / "english", tmp_path / "data"
    some = root / "train/unit/S015_0000000001.wav"
    good = stems(root / "train/unit", root / "train/voice")
    shutil.copy(some, root / "train/unit/noise.wav")
    shutil.copy(some, root / "train/unit/._S015_0000000000.wav")
    shutil.copy(some, root / "train/voice/S015_0000000001.wav")
    (root / "train/unit/S015_0000000002.wav").write_bytes(b"no audio at all")
    (root / "test/S002_0000009999.wav").touch()
    soundfile.write(root / "train/unit/S020_0000001000.wav", np.zeros(4000), RATE)
    soundfile.write(root / "train/unit/S020_0000001003.wav", np.zeros((8000, 2)), 8000)
    (root / "vads.txt").write_text("S020_0000001000 0 0.5\n")
    assert command(corpus, data, "--strict") == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"error: 5 left out (see {data}/skipped.tsv), which --strict forbids"
    assert left_out(data) == {
        ("train/unit/noise", "?", "no speaker in the name"),
        ("train/voice/S015_0000000001", "S015", "stands twice"),
        ("train/unit/S015_0000000002", "S015", "unreadable or empty"),
        ("test/S002_0000009999", "S002", "unreadable or empty"),
        ("train/unit/S020_0000001000", "S020", "shorter than listed"),
    }
    assert "recordings that are not 16 kHz mono: 1, such as train/unit/S020_0000001003 (8000 Hz, 2 channels)" in (
        captured.out
    )
    sets = sets_of(data)
    assert {**sets["train"], **sets["dev"]}.keys() == good - {"S015_0000000002", "S020_0000001000"}


def test_every_oddity_of_the_lists_is_reported(command, corpus, tmp_path, capsys):
    root, data = corpus / "english", tmp_path / "data"
    published = lists_for(root)
    train, test, mse = published["train"], published["test"], published["mse_evaluation"]
    gone, exact, rounded, short, late, taken, *_ = train
    (corpus / f"{gone[0]}.wav").unlink()
    exact[2] = 0.75
    rounded[2] = 0.76
    short[2] = 0.7601
    late[1] = 1.0
    late[2] = 0.005
    mse.append(["english/train/parallel/voice/V001_0000000099", "V001"])
    train.append([mse[0][0], 0.0, 0.5, f"english/train/V001/{mse[0][0].split('/')[-1]}"])
    unlisted = train.pop(train.index(taken))
    (corpus / f"{test[0][0]}.wav").write_bytes(b"")
    assert command(corpus, data, "--lists", write_lists(published, tmp_path / "lists")) == 0
    below = {row[0]: row[0].removeprefix("english/") for row in (*train, *test, *mse)}
    assert left_out(data) == {
        (below[gone[0]], "S015", "listed but not on disk"),
        (below[short[0]], "S015", "shorter than listed"),
        (below[late[0]], "S020", "shorter than listed"),
        (below[mse[0][0]], "V001", "in the training list, so not in mse"),
        (below[mse[-1][0]], "V001", "listed but not on disk"),
        (below[test[0][0]], "S002", "unreadable or empty"),
    }
    assert f"on disk but not listed: 1, such as {unlisted[0].removeprefix('english/')}\n" in capsys.readouterr().out
    sets = sets_of(data)
    training = {**sets["train"], **sets["dev"]}
    for row in (exact, rounded):
        assert spans(training)[row[3].split("/")[-1]] == (0.25, 1.0)
    assert not {u.path for u in training.values()} & {u.path for u in sets["mse"].values()}
    assert test[0][0].split("/")[-1] not in {**sets["test"], **sets["synthesis_V001"]}


def test_mse_is_from_the_disk_where_the_lists_have_none(command, built, tmp_path):
    published = lists_for(built / "english")
    del published["mse_evaluation"], published["synthesis"]
    assert command(built, tmp_path / "data", "--lists", write_lists(published, tmp_path / "lists")) == 0
    assert sets_of(tmp_path / "data")["mse"].keys() == stems(built / "english/train/parallel/voice")


def test_another_language_leaves_nothing_of_the_first(command, built, tmp_path):
    lists = write_lists(lists_for(built / "english"), tmp_path / "lists")
    command(built, tmp_path / "data", "--lists", lists)
    assert (tmp_path / "data/synthesis_V002").exists()
    command(built, tmp_path / "data", "--language", "surprise")
    sets = sets_of(tmp_path / "data")
    assert sorted(sets) == ["conversion", "dev", "mse", "test", "train"]
    assert {u.path.relative_to(built).parts[0] for part in sets.values() for u in part.values()} == {"surprise"}


def test_no_dev_without_a_share(command, built, tmp_path):
    assert command(built, tmp_path / "data", "--dev-share", "0") == 0
    sets = sets_of(tmp_path / "data")
    assert "dev" not in sets
    assert sets["train"].keys() == stems(built / "english/train/unit", built / "english/train/voice")


@pytest.mark.parametrize(("layout", "given"), [("2019", "."), ("2019", "2019"), ("a/2019", "."), ("b", "b/english")])
def test_the_corpus_is_found_from_any_level(command, built, tmp_path, layout, given):
    (tmp_path / "root" / layout).mkdir(parents=True)
    (tmp_path / "root" / layout / "english").symlink_to(built / "english")
    assert command(tmp_path / "root" / given, tmp_path / "data") == 0
    assert len(sets_of(tmp_path / "data")["test"]) == 8


@pytest.mark.parametrize("given", ["nothing", ".", "surprise", "english"])
def test_no_corpus_is_one_line_and_status_1(command, corpus, tmp_path, capsys, given):
    shutil.rmtree(corpus / "english/train/unit")
    assert command(corpus / given, tmp_path / "data") == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: {corpus / given}: no english of ZeroSpeech 2019 there")
    assert "train/unit, train/voice, test" in error
    assert "licensed: `python -m data_prep.download zerospeech2019`" in error
    assert not (tmp_path / "data").exists()


def test_lists_of_the_other_language_are_refused(command, built, tmp_path, capsys):
    lists = write_lists(lists_for(built / "english"), tmp_path / "lists")
    assert command(built, tmp_path / "data", "--language", "surprise", "--lists", lists) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert "lists/train.json: entry 1: expected an in path such as surprise/" in error
    assert not (tmp_path / "data").exists()
