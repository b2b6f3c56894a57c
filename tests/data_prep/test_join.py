from pathlib import Path

import pytest

from data_prep.join import join
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError


def write_corpus(folder: Path, name: str, **tables: str) -> Path:
    source = folder / name
    source.mkdir()
    for table, text in ({"wav.scp": f"{name}-1 {name}.wav\n", "utt2spk": f"{name}-1 {name}\n"} | tables).items():
        (source / table).write_text(text)
    return source


def test_all_that_the_sources_know_is_in_one_directory(tmp_path):
    a = write_corpus(tmp_path, "a", text="a-1 one\n", **{"phones.item": "#file\na-1 0 1 a b c a\n"})
    c = write_corpus(tmp_path, "c", spk2gender="c f\n")
    b = write_corpus(
        tmp_path, "b", segments="b-1 rec 0.5 1.5\n", **{"wav.scp": "rec x.wav\n", "phones.item": "#\nb-1 x\n"}
    )
    joined = join([c, a, b], tmp_path / "all")
    assert DataDir.read(tmp_path / "all").subset(["b-1"]) == joined.subset(["b-1"])
    assert [(u.utt_id, u.spk_id, u.text, u.path.parent.name) for u in joined] == [
        ("a-1", "a", "one", "a"),
        ("b-1", "b", None, "b"),
        ("c-1", "c", None, "c"),
    ]
    assert (joined.utterances[1].start, joined.utterances[1].end) == (0.5, 1.5)
    assert joined.spk2gender == {"c": "f"}
    assert (tmp_path / "all/phones.item").read_text().splitlines()[1:] == ["a-1 0 1 a b c a", "b-1 x"]


def test_no_name_stands_for_two_things(tmp_path):
    a = write_corpus(tmp_path, "a")
    other = write_corpus(tmp_path, "other", utt2spk="a-2 a\n", **{"wav.scp": "a-2 y.wav\n"})
    with pytest.raises(DataError, match=f"speaker a is in {a} and in {other}; rename one, or give --same-speakers"):
        join([a, other], tmp_path / "all")
    assert join([a, other], tmp_path / "all", same_speakers=True).speakers == ["a"]
    twice = write_corpus(tmp_path, "twice", utt2spk="a-1 b\n", **{"wav.scp": "a-1 z.wav\n"})
    with pytest.raises(DataError, match="recording a-1 is in"):
        join([a, twice], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_an_utterance_stands_once_even_if_its_recording_is_shared(tmp_path):
    a, again = write_corpus(tmp_path, "a"), tmp_path / "again"
    DataDir.read(a).write(again)
    with pytest.raises(DataError, match="utterance a-1 stands twice"):
        join([a, again], tmp_path / "never", same_speakers=True)


def test_items_of_before_are_not_left(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all/phones.item").write_text("stale\n")
    join([write_corpus(tmp_path, "a"), write_corpus(tmp_path, "b")], tmp_path / "all")
    assert not (tmp_path / "all/phones.item").exists()
