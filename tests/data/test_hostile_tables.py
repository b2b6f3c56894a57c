"""Data directories with one bad neighbour of each kind: it is named and skipped, and the others come through."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus import voice
from hostile import NAMES

from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter, convert_all, plan
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.findings import Treatment
from sqspeech.data.inputs import read_inputs
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig
from sqspeech.segment_times import span, time_fault
from sqspeech.units import extract_corpus, read
from sqspeech.vocoders.griffin_lim import GriffinLim

# Ids that a table can hold: it cuts at white space.
IDS = sorted(name for name in NAMES if name == name.strip())
USABLE = [name for name in IDS if name.encode(errors="ignore").decode() == name]
# Start and end in seconds of a recording of one second, and whether they can be used.
TIMES = {
    ("0", "1"): True,
    ("0", "-1"): True,
    ("0.5", "1.5"): True,
    ("0.25", "1.4999"): True,
    ("0", "1.5001"): False,
    ("0.5", "28"): False,
    ("27", "28"): False,
    ("1", "1.2"): False,
    ("1", "-1"): False,
    ("0.5", "0.5"): False,
    ("0.5", "0.4"): False,
    ("-0.1", "0.5"): False,
    ("nan", "0.5"): False,
    ("0", "nan"): False,
    ("inf", "-1"): False,
    ("0", "inf"): False,
    ("-inf", "0.5"): False,
    ("0", "1e300"): False,
    ("1e300", "-1"): False,
    ("zero", "0.5"): False,
    ("0", "one"): False,
    ("0", "-2"): False,
}


def write(folder: Path, **tables: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "x.wav"
    soundfile.write(path, voice(150, 0, 1.0), 16000)
    return path


@pytest.fixture(scope="module")
def hostile_ids(experiment, tmp_path_factory) -> tuple[Path, Path, Path]:
    """A data directory of hostile ids, and what convert and units made of it."""
    root = tmp_path_factory.mktemp("root") / "a" / "b"
    short = root / "data/short.wav"
    write(root / "data")
    soundfile.write(short, voice(150, 0, 0.2), 16000)
    lines = sorted(os.fsencode(name) for name in IDS)
    data = write(
        root / "data",
        wav__scp=b"".join(line + b" short.wav\n" for line in lines),
        utt2spk=b"".join(line + b" " + line + b"\n" for line in lines),
    )
    trained = TrainedModel.load(experiment.checkpoint)
    converter = Converter(trained, GriffinLim(trained.config.features, iterations=1))
    convert_all(converter, plan(read_inputs([data]), ["f1"], None, []), root / "converted")
    extract_corpus(experiment.checkpoint, read_inputs([data]), root / "units", ["kaldi"])
    extract_corpus(experiment.checkpoint, read_inputs([data]), root / "zerospeech", ["zerospeech"])
    return data, root / "converted", root / "units"


def test_nothing_is_written_outside_the_output(hostile_ids):
    data, converted, _ = hostile_ids
    root = data.parent.parent.parent
    found = {path.relative_to(root).parts for path in root.rglob("*")}
    assert {parts[:3] for parts in found} == {
        ("a",),
        ("a", "b"),
        *(("a", "b", name) for name in ("data", "converted", "units", "zerospeech")),
    }
    # Flat: no id makes a folder.
    assert all(path.is_file() for path in converted.iterdir())


@pytest.mark.parametrize("name", USABLE)
def test_each_id_has_its_conversion_and_its_units(hostile_ids, name):
    import json

    _, converted, units = hostile_ids
    rows = json.loads((converted / "manifest.json").read_text())["recordings"]
    (row,) = [row for row in rows if row["utt_id"] == name]
    assert (converted / row["output"]).is_file()
    assert len({row["output"] for row in rows}) == len(rows)
    assert len(read(units)[name]) > 0


def test_ids_that_are_not_utf8_are_skipped_alone(hostile_ids):
    _, converted, units = hostile_ids
    assert len(USABLE) < len(IDS)
    assert sorted(read(units)) == sorted(USABLE)
    assert len(list(converted.glob("*.wav"))) == len(USABLE)


def test_validate_names_them(hostile_ids):
    found = {f.where for f in validate(hostile_ids[0]).findings if f.kind == "ids that are no names of files"}
    assert {"../../x", "/x", "s1/x", ".", "..", "\\x", "x" * 4000} <= found
    assert not {"-rf", "a:5", "x;y", "con", "é" * 120} & found


@pytest.fixture(scope="module")
def segmented(experiment, sound, tmp_path_factory) -> tuple[Path, dict, dict, object]:
    """Segments of all times in one directory, and what features, units and convert made of them."""
    root = tmp_path_factory.mktemp("segmented")
    ids = [f"s-{number:02}" for number in range(len(TIMES))]
    data = write(
        root / "data",
        wav__scp=f"rec {sound}\n",
        utt2spk="".join(f"{name} s\n" for name in ids),
        segments="".join(f"{name} rec {' '.join(times)}\n" for name, times in zip(ids, TIMES, strict=True)),
    )
    _, of_features = extract_features(DataDir.read(data), root / "dump", LogMelConfig())
    _, of_units = extract_corpus(experiment.checkpoint, read_inputs([data]), root / "u", ["kaldi"])
    return data, of_features.reasons, of_units.reasons, validate(data)


@pytest.mark.parametrize("times", TIMES, ids=" ".join)
def test_segments_have_one_rule_in_all_commands(segmented, times):
    data, of_features, of_units, report = segmented
    name = f"s-{list(TIMES).index(times):02}"
    usable = TIMES[times]
    assert (name not in of_features, name not in of_units) == (usable, usable)
    refused = {f.where for f in report.findings if f.kind.startswith("segments") and f.treatment is Treatment.LEFT_OUT}
    assert (name not in refused) == usable
    utterance = DataDir.read(data).subset([name]).utterances[0]
    if usable:
        assert utterance.seconds() == pytest.approx(len(utterance.read(16000)) / 16000)
        start, end = float(times[0]), 1.0 if times[1] == "-1" else min(1.0, float(times[1]))
        np.testing.assert_array_equal(
            utterance.read(16000),
            soundfile.read(utterance.path, dtype="float32")[0][round(start * 16000) : round(end * 16000)],
        )
        return
    for use in (utterance.seconds, lambda: utterance.read(16000)):
        with pytest.raises(DataError, match="x.wav: "):
            use()


@pytest.mark.parametrize("times", [(0.0, 1.0), (0.0, None), (float("nan"), None), (-1.0, None), (1.0, 1.0)])
def test_what_is_possible_in_any_recording(times):
    assert bool(time_fault(*times)) == (times not in ((0.0, 1.0), (0.0, None)))


@pytest.mark.parametrize("rate", [8000, 44100])
def test_the_tolerance_is_half_a_second(rate):
    assert span("x", 10 * rate, rate, 9.0, 10.5) == (9 * rate, 10 * rate)
    with pytest.raises(DataError, match="but it lasts 10.000 s; correct the times"):
        span("x", 10 * rate, rate, 9.0, 10.5 + 1 / rate)


SOUND_TABLES = {"wav__scp": "a-1 a.wav\nb-1 b.wav\n", "utt2spk": "a-1 a\nb-1 b\n", "text": "a-1 one\nb-1 two\n"}
SEGMENTS = "a-1 a-1 0 -1\nb-1 b-1 0 -1\n"


@pytest.mark.parametrize("change", ["mark", "crlf", "both", "cr", "no newline", "tabs"])
@pytest.mark.parametrize("name", ["wav__scp", "utt2spk", "segments", "text", "spk2gender", "spk2utt"])
def test_marks_and_line_ends_change_nothing(tmp_path, name, change):
    tables = SOUND_TABLES | {"segments": SEGMENTS, "spk2gender": "a f\nb m\n", "spk2utt": "a a-1\nb b-1\n"}
    plain = DataDir.read(write(tmp_path / "data", **tables))
    text = tables[name]
    tables[name] = {
        "mark": "\ufeff" + text,
        "crlf": text.replace("\n", "\r\n"),
        "both": "\ufeff" + text.replace("\n", "\r\n"),
        "cr": text.replace("\n", "\r"),
        "no newline": text.removesuffix("\n"),
        "tabs": text.replace(" ", "\t"),
    }[change]
    assert DataDir.read(write(tmp_path / "data", **tables)) == plain


@pytest.mark.parametrize("name", ["text", "spk2gender"])
@pytest.mark.parametrize(
    "line", [b"", b" ", b"a-1", b"a caf\xe9", b"\xff\xfe", b"0 out of order", b"zz unknown", b"a f\na m", b"\x00", b"a"]
)
def test_a_line_that_nobody_needs_refuses_nothing(tmp_path, name, line):
    good = {"text": b"b-1 two", "spk2gender": b"b m"}[name]
    data = DataDir.read(write(tmp_path / "data", **SOUND_TABLES | {name: line + b"\n" + good + b"\n"}))
    assert [u.utt_id for u in data] == ["a-1", "b-1"]
    found = {"text": data.utterances[1].text, "spk2gender": data.spk2gender.get("b")}
    assert found[name] == {"text": "two", "spk2gender": "m"}[name]


@pytest.mark.parametrize(
    ("pairs", "advice"),
    [
        ([("1_2", "1"), ("13_1", "13")], "write a hyphen after each speaker's id, as in 1"),
        ([("a_2", "a"), ("aB_1", "aB")], "write a hyphen after each speaker's id, as in a"),
        ([("x-1", "b"), ("y-1", "a")], "begin each utterance id with its speaker id and a hyphen"),
        ([("a-z", "a"), ("a-b-1", "a-b")], "one speaker's id is the beginning of another's; rename"),
        ([("a-1", "a"), ("a!-1", "a!")], "one speaker's id is the beginning of another's; rename"),
    ],
)
def test_the_advice_has_not_been_followed_yet(tmp_path, pairs, advice):
    rows = sorted(pairs)
    write(
        tmp_path / "data",
        wav__scp="".join(f"{utt} x.wav\n" for utt, _ in rows),
        utt2spk="".join(f"{utt} {spk}\n" for utt, spk in rows),
    )
    with pytest.raises(DataError, match=advice):
        DataDir.read(tmp_path / "data")
    (found,) = [f for f in validate(tmp_path / "data").findings if "sort unlike" in f.kind and "speaker" in f.fix][:1]
    assert advice in found.fix


def test_the_advice_helps(tmp_path):
    write(tmp_path / "data", wav__scp="1-2 x.wav\n13-1 x.wav\n", utt2spk="1-2 1\n13-1 13\n")
    assert len(DataDir.read(tmp_path / "data")) == 2


def test_names_of_bytes_in_wav_scp_are_skipped_alone(tmp_path, sound, experiment):
    data = write(
        tmp_path / "data",
        wav__scp=b"a " + os.fsencode(sound) + b"\nb caf\xe9.wav\nc " + os.fsencode(sound) + b"\n",
        utt2spk="a a\nb b\nc c\n",
    )
    soundfile.write(tmp_path / "x.wav", voice(100, 0), 16000)
    (tmp_path / "x.wav").rename(data / os.fsdecode(b"caf\xe9.wav"))
    done, failures = extract_features(DataDir.read(data), tmp_path / "dump", LogMelConfig())
    assert (done, list(failures.reasons)) == (2, ["b"])
    assert "caf\\udce9.wav: the name is not UTF-8; rename it" in failures.reasons["b"]
    counts, failures = extract_corpus(experiment.checkpoint, read_inputs([data]), tmp_path / "u", ["kaldi"])
    assert (list(counts), list(failures.reasons)) == (["a", "c"], ["b"])
