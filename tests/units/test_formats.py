"""Each format read back here, and by the readers of those who made it."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import kaldiio
import numpy as np
import pandas
import pytest
from units_models import noise

from sqspeech.data.tables import read_table
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.coding import fixed_bitrate
from sqspeech.units import FORMATS, MATRICES, Contents, UnitInfo, Units, read, store
from sqspeech.units.formats import Entry, entry

EVERYTHING = Contents(deduplicated=True, durations=True, matrices=MATRICES)
NAMES = ["a-1", "b", "z_é"]


@pytest.fixture(scope="module")
def found(extractor) -> dict[str, Units]:
    return {
        name: extractor.extract(noise(0.3 + 0.2 * seed, seed), 16000, matrices=MATRICES)
        for seed, name in enumerate(NAMES)
    }


def write(
    folder: Path,
    name: str,
    found: dict[str, Units],
    contents: Contents,
    info: UnitInfo,
    texts: Mapping[str, str | None] | None = None,
) -> Path:
    entries = [
        Entry(
            utt_id=utt_id,
            path=Path("/corpus") / utt_id[0] / f"{utt_id}.flac",
            n_samples=1000 + place,
            units=units,
            text=(texts or {}).get(utt_id),
        )
        for place, (utt_id, units) in enumerate(found.items())
    ]
    store.write(folder, name, iter(entries), contents, info, scratch_beside=folder)
    return folder / name


@pytest.mark.parametrize("name", FORMATS.names())
@pytest.mark.parametrize("contents", [Contents(), EVERYTHING], ids=["plain", "everything"])
def test_what_is_written_is_read_back(extractor, found, tmp_path, name, contents):
    write(tmp_path, name, found, contents, extractor.info)
    back = read(tmp_path)
    assert list(back) == NAMES
    # Some have no place for durations, so that repetitions are lost there.
    lost = contents.deduplicated and name in ("fairseq", "interspeech2024")
    assert back.info.deduplicated == lost
    for utt_id, units in found.items():
        np.testing.assert_array_equal(back[utt_id].codes, units.runs()[0] if lost else units.codes)
        for matrix in contents.matrices if "matrices" in FORMATS[name].HOLDS else ():
            np.testing.assert_array_equal(getattr(back[utt_id], matrix), getattr(units, matrix))
    assert back.info.checkpoint == extractor.info.checkpoint
    assert (back.info.frame_rate, back.info.codebook_size) == (50.0, 32)


def test_runs_are_what_groupby_finds():
    codes = np.array([3, 3, 1, 1, 1, 3, 2, 2])
    runs, lengths = Units(codes=codes).runs()
    expected = [(code, len(list(group))) for code, group in groupby(codes.tolist())]
    assert list(zip(runs.tolist(), lengths.tolist(), strict=True)) == expected


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 9])
def test_integers_are_text_in_parts(monkeypatch, count):
    monkeypatch.setattr(entry, "AT_ONCE", 4)
    values = np.arange(count) * 7
    assert entry.spaced(values).split() == [str(7 * number) for number in range(count)]
    assert "  " not in entry.spaced(values)


def test_kaldi_by_kaldiio(extractor, found, tmp_path, monkeypatch):
    folder = write(tmp_path, "kaldi", found, EVERYTHING, extractor.info)
    monkeypatch.chdir(folder)  # an .scp names its .ark as seen from there
    for matrix in MATRICES:
        stored = kaldiio.load_scp(f"{matrix}.scp")
        assert sorted(stored) == sorted(NAMES)
        for utt_id in NAMES:
            np.testing.assert_array_equal(stored[utt_id], getattr(found[utt_id], matrix))
    assert list(read_table(folder / "units.txt")) == NAMES


def test_espnet_has_both_sequences(extractor, found, tmp_path):
    folder = write(tmp_path, "espnet", found, Contents(), extractor.info)
    for name, expected in (("text.ts", lambda u: u.codes), ("text.rm", lambda u: u.runs()[0])):
        for line, (utt_id, units) in zip((folder / name).read_text().splitlines(), found.items(), strict=True):
            first, *tokens = line.split(" ")
            assert first == utt_id
            assert [int(token) for token in tokens] == expected(units).tolist()


def test_fairseq_manifest(extractor, found, tmp_path):
    folder = write(tmp_path, "fairseq", found, Contents(), extractor.info)
    root, *rows = (folder / "manifest.tsv").read_text().splitlines()
    assert root == "/corpus"
    assert rows == ["a/a-1.flac\t1000", "b/b.flac\t1001", "z/z_é.flac\t1002"]
    names = [line.split("|")[0] for line in (folder / "units.txt").read_text().splitlines()]
    assert names == NAMES


def test_textless_streams_have_equal_lengths(extractor, found, tmp_path):
    folder = write(tmp_path, "textless", found, EVERYTHING, extractor.info)
    streams = [(folder / f"units.{suffix}").read_text().splitlines() for suffix in ("units", "durations")]
    for line, lengths, (utt_id, units) in zip(*streams, found.items(), strict=True):
        assert line.split("\t")[0] == lengths.split("\t")[0] == utt_id
        assert len(line.split("\t")[1].split()) == len(lengths.split("\t")[1].split())
        assert sum(map(int, lengths.split("\t")[1].split())) == len(units.codes)


def test_npz_by_numpy(extractor, found, tmp_path):
    folder = write(tmp_path, "npz", found, Contents(), extractor.info)
    with np.load(folder / "units.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == sorted(NAMES)
        np.testing.assert_array_equal(stored["z_é"], found["z_é"].codes)


def test_parquet_by_pandas(extractor, found, tmp_path):
    folder = write(tmp_path, "parquet", found, EVERYTHING, extractor.info)
    table = pandas.read_parquet(folder / "units.parquet").set_index("utt_id")
    for utt_id, units in found.items():
        np.testing.assert_array_equal(table.loc[utt_id, "units"], units.runs()[0])
        np.testing.assert_array_equal(np.stack(table.loc[utt_id, "vectors"]), units.vectors)


def test_zerospeech_is_a_table_of_floats(extractor, found, tmp_path):
    folder = write(tmp_path, "zerospeech", found, EVERYTHING, extractor.info)
    for utt_id, units in found.items():
        rows = [
            [float(value) for value in line.split(" ")] for line in (folder / f"{utt_id}.txt").read_text().splitlines()
        ]
        np.testing.assert_array_equal(np.array(rows, np.float32), units.vectors)


def test_slamkit_has_runs_with_durations_and_texts(extractor, found, tmp_path):
    texts = dict(zip(NAMES, ["ONE", None, "TWO \u2028 THREE"], strict=True))
    folder = write(tmp_path, "slamkit", found, EVERYTHING, extractor.info, texts)
    with (folder / "units.jsonl").open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    for line, (utt_id, units) in zip(lines, found.items(), strict=True):
        runs = [(code, len(list(group))) for code, group in groupby(units.codes.tolist())]
        assert list(zip(line["units"], line["duration"], strict=True)) == runs
        assert line.get("text") == texts[utt_id]
        assert line["file_name"] == f"/corpus/{utt_id[0]}/{utt_id}.flac"
    assert [sorted(line) for line in lines[1:]] == [
        ["duration", "file_name", "units", "utt_id"],
        ["duration", "file_name", "text", "units", "utt_id"],
    ]


def test_slamkit_refuses_several_stages(extractor, found, tmp_path):
    stages = {"b": Units(codes=np.stack([found["b"].codes] * 2, axis=1))}
    with pytest.raises(DataError, match="b: units of several stages, and SlamKit reads one; give --stages 1"):
        write(tmp_path, "slamkit", stages, Contents(), replace(extractor.info, stages=2))
    assert not (tmp_path / "slamkit").exists()


@pytest.mark.parametrize("stages", [1, 2])
def test_the_challenge_finds_its_bitrate_in_its_files(extractor, found, tmp_path, stages):
    of_stages = {
        name: replace(units, codes=np.stack([units.codes, units.codes // 2], axis=1)) if stages == 2 else units
        for name, units in found.items()
    }
    folder = write(tmp_path, "interspeech2024", of_stages, Contents(), replace(extractor.info, stages=stages))
    vocabulary, tokens = (json.loads((folder / f"{name}.json").read_text()) for name in ("vocab", "tokens"))
    seconds = {name: float(text) for name, text in map(str.split, (folder / "ref_len.scp").read_text().splitlines())}
    assert seconds == pytest.approx(dict(zip(NAMES, (0.3, 0.5, 0.7), strict=True)))
    # As the challenge's calculate_bitrate.py does.
    each = {number: math.log2(len(found)) for number, found in vocabulary.items()}
    bits = [
        sum(len(stream) / seconds[name] * each[str(number)] for number, stream in enumerate(streams))
        for name, streams in tokens.items()
    ]
    assert set(tokens["b"][0]) <= set(vocabulary["0"])
    timed = [(of_stages[name], duration) for name, duration in seconds.items()]
    assert sum(bits) / len(bits) == pytest.approx(fixed_bitrate(timed, extractor.info.codebook_size))
    np.testing.assert_array_equal(read(folder)["b"].codes, of_stages["b"].codes)


def test_the_format_that_says_most_is_read(extractor, found, tmp_path):
    write(tmp_path, "espnet", found, Contents(), extractor.info)
    write(tmp_path, "npz", found, Contents(matrices=("vectors",)), extractor.info)
    assert read(tmp_path)["b"].vectors is not None
    assert read(tmp_path / "espnet")["b"].vectors is None


DAMAGE = {
    "npz": ("units.npz", b"nothing"),
    "parquet": ("units.parquet", b"nothing"),
    "kaldi": ("units.txt", b"a-1 3 x 4\n"),
    "textless": ("units.units", b"a-1 3 4\n"),
    "fairseq": ("units.txt", b"a-1 3 4\n"),
    "espnet": ("text.ts", b"a-1 3.5\n"),
    "zerospeech": ("b.txt", b"1 2\n"),
    "slamkit": ("units.jsonl", b'{"utt_id": "a-1", "units": [3, 4]}\n'),
    "interspeech2024": ("tokens.json", b'{"a-1": [["3", "4"], ["5"]]}\n'),
}


@pytest.mark.parametrize("name", FORMATS.names())
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "damaged"])
def test_damage_is_one_line(extractor, found, tmp_path, name, missing):
    folder = write(tmp_path, name, found, Contents(), extractor.info)
    file, content = DAMAGE[name]
    if missing and name == "zerospeech":
        file = "codebook.npy"
    (folder / file).unlink() if missing else (folder / file).write_bytes(content)
    with pytest.raises(DataError, match=str(folder)) as error:
        read(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"format": "sqspeech-units-0"})])
def test_a_damaged_sidecar_is_one_line(extractor, found, tmp_path, text):
    folder = write(tmp_path, "npz", found, Contents(), extractor.info)
    (folder / "info.json").write_text(text)
    with pytest.raises(DataError, match="damaged, or of another version"):
        read(tmp_path)


def test_no_units_are_said(tmp_path):
    with pytest.raises(DataError, match="no units here; make them with"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["kaldi", "textless"])
def test_a_missing_duration_is_not_taken_for_one_step_a_unit(extractor, found, tmp_path, name):
    folder = write(tmp_path, name, found, EVERYTHING, extractor.info)
    (durations,) = folder.glob("*durations*")
    durations.write_text("".join(durations.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match=f"{folder}: durations and units differ in a-1"):
        read(folder)


@pytest.mark.parametrize("lengths", ["2", "1 1 1 1"])
def test_durations_of_another_sequence(extractor, found, tmp_path, lengths):
    folder = write(tmp_path, "textless", found, EVERYTHING, extractor.info)
    (folder / "units.units").write_text("b\t3 1 3\n")
    (folder / "units.durations").write_text(f"b\t{lengths}\n")
    with pytest.raises(DataError, match="the durations of b do not fit its units"):
        read(folder)


@pytest.mark.parametrize("text", ["b\t3 32\n", "b\t-1\n", "b\t\n", ""])
def test_what_is_no_sequence_of_this_codebook(extractor, found, tmp_path, text):
    folder = write(tmp_path, "textless", found, Contents(), extractor.info)
    (folder / "units.units").write_text(text)
    with pytest.raises(DataError, match=f"{folder}: "):
        read(folder)


@pytest.mark.parametrize("content", [b"", b"a-1 ", b"junk" * 99])
def test_a_damaged_ark_is_one_line(extractor, found, tmp_path, content):
    folder = write(tmp_path, "kaldi", found, Contents(matrices=("vectors",)), extractor.info)
    (folder / "vectors.ark").write_bytes(content)
    with pytest.raises(DataError, match="cannot read the matrices"):
        read(folder)


@pytest.mark.parametrize(("field", "value"), [("layout", []), ("codebook_size", "many"), ("features", {"x": 1})])
def test_a_sidecar_of_other_types(extractor, found, tmp_path, field, value):
    info = write(tmp_path, "npz", found, Contents(), extractor.info) / "info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), field: value}))
    with pytest.raises(DataError, match=f"{info}: damaged, or of another version"):
        read(tmp_path)


@pytest.mark.parametrize("name", FORMATS.names())
def test_no_id_is_taken_for_another(extractor, found, tmp_path, name):
    ids = ["-x", "a", "a.npy", "a.txt", "codebook", "e\u0301", "units", "utt_ids", "\u00e9"]
    many = {utt_id: list(found.values())[place % 3] for place, utt_id in enumerate(ids)}
    many = {utt_id: replace(units, codes=units.codes[place:]) for place, (utt_id, units) in enumerate(many.items())}
    many = {utt_id: replace(units, vectors=units.vectors[-len(units) :]) for utt_id, units in many.items()}
    got = read(write(tmp_path, name, many, Contents(), extractor.info))
    assert sorted(got) == sorted(ids)
    for utt_id, units in many.items():
        np.testing.assert_array_equal(got[utt_id].codes, units.codes)


def test_a_full_disk_is_told_by_parquet_as_by_the_others(found, tmp_path):
    (tmp_path / "units.parquet").symlink_to("/dev/full")
    entry = Entry(utt_id="b", path=Path("b.wav"), n_samples=1000, units=found["b"])
    with pytest.raises(OSError, match="No space left"):
        FORMATS["parquet"].write(tmp_path, [entry], Contents())
