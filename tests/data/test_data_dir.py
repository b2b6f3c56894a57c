import subprocess
from pathlib import Path

import pytest
from corpus import write_corpus
from hypothesis import given
from hypothesis import strategies as st

from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.tables import read_table, write_table
from sqspeech.errors import DataError

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)


@st.composite
def data_dirs(draw) -> DataDir:
    speakers = draw(st.lists(st.integers(100, 999), min_size=1, max_size=4, unique=True))
    utterances = []
    for speaker in speakers:
        for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
            utt_id, start = f"p{speaker}-{name}", draw(st.integers(0, 50)) / 10
            segment = draw(st.booleans())
            utterances.append(
                Utterance(
                    utt_id=utt_id,
                    spk_id=f"p{speaker}",
                    path=Path(f"/audio/{speaker}.wav"),
                    rec_id=f"rec{speaker}" if segment else None,
                    start=start if segment else 0.0,
                    end=start + 1.5 if segment and draw(st.booleans()) else None,
                    text=draw(st.sampled_from([None, "one", "two words"])),
                )
            )
    return DataDir(tuple(utterances), {f"p{s}": draw(st.sampled_from("mf")) for s in speakers})


def as_read(utterance: Utterance, segmented: bool) -> Utterance:
    """A data directory with segments names every recording."""
    from dataclasses import replace

    return replace(utterance, rec_id=utterance.rec_id or utterance.utt_id) if segmented else utterance


@given(data=data_dirs())
def test_what_is_written_is_read_back(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("data")
    data.write(path)
    segmented = any(u.rec_id for u in data)
    assert DataDir.read(path).utterances == tuple(as_read(u, segmented) for u in data)
    assert DataDir.read(path).spk2gender == data.spk2gender


@given(data=data_dirs())
def test_kaldi_finds_the_files_sorted_and_consistent(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("data")
    data.write(path)
    for file in path.iterdir():
        assert subprocess.run(["sort", "-c", "-u", "-k1,1", file], env={"LC_ALL": "C"}).returncode == 0
        assert file.read_bytes().endswith(b"\n")
    utt2spk = [line.split() for line in (path / "utt2spk").read_text().splitlines()]
    assert [spk for _, spk in utt2spk] == sorted(spk for _, spk in utt2spk)
    spk2utt = [line.split() for line in (path / "spk2utt").read_text().splitlines()]
    assert sorted((utt, spk) for spk, *utts in spk2utt for utt in utts) == sorted(map(tuple, utt2spk))


@given(data=data_dirs(), seed=st.integers(0, 99))
def test_split_is_a_partition_and_subset_keeps_what_was_asked(data, seed):
    parts = data.split(lambda u: str(hash((u.utt_id, seed)) % 3))
    assert sorted(u.utt_id for part in parts.values() for u in part) == [u.utt_id for u in data]
    for part in parts.values():
        assert data.subset([u.utt_id for u in part]) == part
        assert set(part.spk2gender) <= set(part.speakers)


def kaldi(path: Path, **files: str) -> Path:
    defaults = {"wav.scp": "a-1 x.wav\na-2 y.wav\n", "utt2spk": "a-1 a\na-2 a\n"}
    for name, content in (defaults | {k.replace("__", "."): v for k, v in files.items()}).items():
        (path / name).write_text(content)
    return path


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"utt2spk": "a-2 a\na-1 a\n"}, r"utt2spk:2: key a-1 is out of order"),
        ({"utt2spk": "a-1 a\na-1 a\n"}, r"utt2spk:2: key a-1 is repeated"),
        ({"utt2spk": "a-1 a b\n"}, r"utt2spk:1: expected a key and 1 more"),
        ({"utt2spk": "a-1\n"}, r"utt2spk:1"),
        ({"utt2spk": "a-1 a\n"}, r"a-2 is in wav.scp but not in utt2spk"),
        ({"wav__scp": "a-1 x.wav\n"}, r"a-2 is in utt2spk but not in wav.scp"),
        ({"wav__scp": "a-1 sox x.wav |\na-2 y.wav\n"}, r"a-1 is a pipe"),
        ({"utt2spk": "a-1 b\na-2 a\n"}, r"begin each utterance id with its speaker id"),
        ({"spk2utt": "a a-1\n"}, r"spk2utt: a disagrees"),
        ({"segments": "a-1 rec 0 1\n"}, r"a-1 is cut from rec"),
    ],
)
def test_each_inconsistency_is_named(tmp_path, files, reason):
    with pytest.raises(DataError, match=reason):
        DataDir.read(kaldi(tmp_path, **files))


def test_missing_directory_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file; is"):
        DataDir.read(tmp_path / "nowhere")


def test_paths_are_sought_beside_the_list_and_then_from_the_working_directory(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    kaldi(folder)
    (folder / "x.wav").touch()
    (tmp_path / "y.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert [u.path for u in DataDir.read(Path("data"))] == [Path("data/x.wav"), Path("y.wav")]


def test_an_unknown_utterance_is_named(tmp_path):
    with pytest.raises(DataError, match="no utterance b-9"):
        DataDir.read(kaldi(tmp_path)).subset(["a-1", "b-9"])


def test_a_segment_is_the_part_it_names(tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "x.wav", np.arange(32000) / 64000, 16000, subtype="FLOAT")
    kaldi(tmp_path, wav__scp="rec x.wav\n", segments="a-1 rec 0.5 1.25\na-2 rec 1.5 -1\n")
    first, second = DataDir.read(tmp_path)
    np.testing.assert_allclose(first.read(16000), np.arange(8000, 20000) / 64000, atol=1e-6)
    np.testing.assert_allclose(second.read(16000), np.arange(24000, 32000) / 64000, atol=1e-6)


def test_tables_with_tabs_are_read(tmp_path):
    (tmp_path / "text").write_text("a\tone two\nb three\n")
    assert read_table(tmp_path / "text") == {"a": "one two", "b": "three"}
    write_table(tmp_path / "text", {"b": "2", "B": "1"})
    assert (tmp_path / "text").read_text() == "B 1\nb 2\n"


def test_real_directories_are_read(speech):
    assert len(DataDir.read(speech / "librispeech28")) == 337
    assert len(DataDir.read(speech / "emodb")) == 535


def test_a_gender_in_a_capital_letter_is_read(tmp_path):
    write_corpus(tmp_path, range(1))
    (tmp_path / "spk2gender").write_text("f1 F\nf2 f\nm1 M\nm2 x\n")
    assert DataDir.read(tmp_path).spk2gender == {"f1": "f", "f2": "f", "m1": "m"}
