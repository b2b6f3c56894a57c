"""A data directory with one fault each: it is named, and the cleaned copy is without it."""

import os
import re
import struct
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus import voice

from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.validation.findings import Finding, Mending, Severity
from sqspeech.validation.fix import write_clean
from sqspeech.validation.validate import Report, validate

pytestmark = pytest.mark.usefixtures("without_processes")
ALL = {"f1-00", "f1-01", "f1-02", "m1-00", "m1-01", "m1-02"}
ERROR, WARNING, NOTE = Severity


def edit(name: str, pattern: str, replacement: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        text, count = re.subn(pattern, replacement, (data / name).read_bytes().decode(), flags=re.MULTILINE)
        assert count, f"{pattern} is not in {name}"
        (data / name).write_bytes(text.encode("utf-8", "surrogateescape"))

    return change


def write(name: str, content: str) -> Callable[[Path], None]:
    return lambda data: (data / name).write_bytes(content.encode("utf-8", "surrogateescape"))


def remove(name: str) -> Callable[[Path], None]:
    return lambda data: (data / name).unlink()


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda data: [change(data) for change in changes] and None


def segments(content: str, wav_scp: str = "rec f1-00.wav\n") -> Callable[[Path], None]:
    ids = [line.split()[0] for line in content.splitlines()]
    return both(
        write("segments", content),
        write("wav.scp", wav_scp),
        write("utt2spk", "".join(f"{utt_id} f1\n" for utt_id in ids)),
        write("spk2utt", f"f1 {' '.join(ids)}\n"),
        write("spk2gender", "f1 f\n"),
        remove("text"),
    )


# What is done to the tables, the severity, the kind, the id, and the utterances that are usable afterwards.
TABLE_FAULTS = {
    "unsorted": (edit("utt2spk", r"(f1-00 f1\n)(f1-01 f1\n)", r"\2\1"), ERROR, "utt2spk not sorted", "f1-00", ALL),
    "unsorted text": (edit("text", r"(f1-00 .*\n)(f1-01 .*\n)", r"\2\1"), ERROR, "text not sorted", "f1-00", ALL),
    "repeated": (edit("wav.scp", r"(f1-01 .*\n)", r"\1\1"), ERROR, "wav.scp with repeated ids", "f1-01", ALL),
    "conflicting": (
        edit("utt2spk", "(f1-01 f1\n)", r"\1f1-01 m1\n"),
        ERROR,
        "utt2spk with conflicting lines of one id",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "conflicting texts": (
        edit("text", "^(f1-01 )(.*\n)", r"\1\2\1other\n"),
        ERROR,
        "text with conflicting lines of one id",
        "f1-01",
        ALL,
    ),
    "fields": (
        edit("utt2spk", "f1-01 f1", "f1-01 f1 x"),
        ERROR,
        "utt2spk with a wrong number of fields",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "no value": (
        edit("wav.scp", "^f1-01.*", "f1-01"),
        ERROR,
        "wav.scp with an id without a value",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "empty text": (edit("text", "^f1-01.*", "f1-01"), ERROR, "text with an id without a value", "f1-01", ALL),
    "blank": (edit("utt2spk", "f1-01 f1\n", "f1-01 f1\n\n"), ERROR, "utt2spk with blank lines", "utt2spk:3", ALL),
    "CRLF": (edit("wav.scp", "\n", "\r\n"), ERROR, "wav.scp with carriage returns", "wav.scp", ALL),
    "byte order mark": (edit("utt2spk", r"\Af1", "\ufefff1"), ERROR, "utt2spk with a byte order mark", "utt2spk", ALL),
    "no newline": (edit("text", r"\n\Z", ""), WARNING, "text without a last newline", "text", ALL),
    "tabs": (edit("text", "^f1-01 ", "f1-01\t"), WARNING, "text with tabs", "f1-01", ALL),
    "Latin-1": (
        edit("text", "^f1-01.*", "f1-01 gr\udcfc\udcdf"),
        ERROR,
        "text with lines that are not UTF-8",
        "f1-01",
        ALL,
    ),
    "no wav.scp": (remove("wav.scp"), ERROR, "missing wav.scp", "wav.scp", set()),
    "no utt2spk": (remove("utt2spk"), ERROR, "missing utt2spk", "utt2spk", set()),
    "a folder": (
        both(remove("text"), lambda data: (data / "text").mkdir()),
        ERROR,
        "text cannot be read",
        "text",
        ALL,
    ),
    "no spk2utt": (remove("spk2utt"), WARNING, "missing spk2utt", "spk2utt", ALL),
    "nothing": (both(write("utt2spk", ""), write("wav.scp", "")), ERROR, "no usable utterance", "{data}", set()),
    "lacking in wav.scp": (
        edit("wav.scp", "^f1-01.*\n", ""),
        ERROR,
        "ids of utt2spk that wav.scp lacks",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "lacking in utt2spk": (
        edit("utt2spk", "^f1-01.*\n", ""),
        ERROR,
        "ids of wav.scp that utt2spk lacks",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "pipe": (
        edit("wav.scp", "^f1-01 .*", "f1-01 sox f1-01.wav -t wav - |"),
        ERROR,
        "wav.scp with a pipe",
        "f1-01",
        ALL - {"f1-01"},
    ),
    "spk2utt": (
        edit("spk2utt", "f1-00 f1-01", "f1-01"),
        ERROR,
        "spk2utt that disagrees with utt2spk",
        "f1",
        ALL,
    ),
    "gender": (edit("spk2gender", "f1 f", "f1 woman"), ERROR, "spk2gender that is not m or f", "f1", ALL),
    "unknown gender": (
        edit("spk2gender", r"\Z", "x1 m\n"),
        WARNING,
        "genders of unknown speakers",
        "x1",
        ALL,
    ),
    "no gender": (edit("spk2gender", "f1 f\n", ""), NOTE, "speakers without a gender", "f1", ALL),
    "unknown text": (edit("text", r"\Z", "x1-1 words\n"), WARNING, "texts of unknown utterances", "x1-1", ALL),
    "no text": (edit("text", "f1-01.*\n", ""), NOTE, "utterances without a text", "f1-01", ALL),
    "segment backwards": (
        segments("f1-a rec 0.1 0.5\nf1-b rec 0.5 0.5\n"),
        ERROR,
        "segments with impossible times",
        "f1-b",
        {"f1-a"},
    ),
    "segment without numbers": (
        segments("f1-a rec 0.1 0.5\nf1-b rec zero 0.5\n"),
        ERROR,
        "segments with impossible times",
        "f1-b",
        {"f1-a"},
    ),
    "segment before the start": (
        segments("f1-a rec 0.1 0.5\nf1-b rec -1 0.5\n"),
        ERROR,
        "segments with impossible times",
        "f1-b",
        {"f1-a"},
    ),
    "segment of NaN": (
        segments("f1-a rec 0.1 0.5\nf1-b rec nan 0.5\n"),
        ERROR,
        "segments with impossible times",
        "f1-b",
        {"f1-a"},
    ),
    "segment of five fields": (
        segments("f1-a rec 0.1 0.5\nf1-b rec 0.3 0.5 1\n"),
        ERROR,
        "segments with a wrong number of fields",
        "f1-b",
        {"f1-a"},
    ),
    "segment of nothing": (
        segments("f1-a rec 0.1 0.5\nf1-b other 0.3 0.7\n"),
        ERROR,
        "segments of recordings that wav.scp lacks",
        "f1-b",
        {"f1-a"},
    ),
    "recording without segments": (
        segments("f1-a rec 0.1 0.5\n", "other f1-01.wav\nrec f1-00.wav\n"),
        WARNING,
        "recordings without a segment",
        "other",
        {"f1-a"},
    ),
    "segment behind the end": (
        segments("f1-a rec 0.1 0.5\nf1-b rec 0.9 1.0\n"),
        ERROR,
        "segments outside their recording",
        "f1-b",
        {"f1-a"},
    ),
    "segment far over the end": (
        segments("f1-a rec 0.1 0.5\nf1-b rec 0.3 1.4\n"),
        ERROR,
        "segments outside their recording",
        "f1-b",
        {"f1-a"},
    ),
    "segment a little over the end": (
        segments("f1-a rec 0.1 0.5\nf1-b rec 0.3 0.9\n"),
        WARNING,
        "segments that end a little behind their recording",
        "f1-b",
        {"f1-a", "f1-b"},
    ),
}


def noise(n_samples: int, level: float = 0.5) -> np.ndarray:
    return np.random.default_rng(n_samples).uniform(-level, level, n_samples)


def audio(samples: np.ndarray, rate: int = 16000, **options: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        (data / "f1-01.wav").unlink()
        soundfile.write(data / "f1-01.wav", samples, rate, **options)

    return change


def truncated(**options: str) -> Callable[[Path], None]:
    return both(audio(noise(16000), **options), lambda data: os.truncate(data / "f1-01.wav", 15000))


def raw_audio(content: bytes) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        (data / "f1-01.wav").unlink()
        (data / "f1-01.wav").write_bytes(content)

    return change


def copied(data: Path) -> None:
    audio(soundfile.read(data / "f1-00.wav")[0], format="FLAC")(data)


CLIPPED = np.clip(10 * voice(210, 1), -1, 1)
OTHERS = ALL - {"f1-01"}
AUDIO_FAULTS = {
    "missing": (remove("f1-01.wav"), ERROR, "missing audio file", OTHERS),
    "a name too long": (edit("wav.scp", "^f1-01 .*", f"f1-01 {'x' * 300}"), ERROR, "undecodable audio", OTHERS),
    "zero bytes": (raw_audio(b""), ERROR, "empty audio file", OTHERS),
    "text": (raw_audio(b"no audio at all\n" * 9), ERROR, "undecodable audio", OTHERS),
    "header only": (audio(np.zeros(0)), ERROR, "audio without samples", OTHERS),
    "truncated WAV": (truncated(), ERROR, "truncated audio", OTHERS),
    "truncated AIFF": (truncated(format="AIFF"), ERROR, "truncated audio", OTHERS),
    "truncated FLAC": (truncated(format="FLAC"), ERROR, "truncated audio", OTHERS),
    "NaN": (audio(np.r_[noise(9000), np.nan], subtype="FLOAT"), ERROR, "NaN or infinite samples", OTHERS),
    "infinity": (audio(np.r_[noise(9000), -np.inf], subtype="FLOAT"), ERROR, "NaN or infinite samples", OTHERS),
    "zeros": (audio(np.zeros(9000)), ERROR, "digital silence", OTHERS),
    "constant": (audio(np.full(9000, 0.25)), ERROR, "digital silence", OTHERS),
    "1024 samples": (audio(noise(1024)), ERROR, "too short for features", OTHERS),
    "1024 samples at 48 kHz": (audio(noise(3 * 1024), 48000), ERROR, "too short for features", OTHERS),
    "33 frames": (audio(noise(5279)), WARNING, "shorter than a training crop", ALL),
    "48 kHz": (audio(noise(48000), 48000), WARNING, "another sample rate than most", ALL),
    "8 kHz": (audio(noise(9000), 8000), WARNING, "a sample rate below that of the features", ALL),
    "stereo": (audio(noise(18000).reshape(-1, 2)), WARNING, "more than one channel", ALL),
    "clipped": (audio(CLIPPED), WARNING, "clipping", ALL),
    "clipped on the right": (audio(np.c_[voice(210, 1), CLIPPED]), WARNING, "clipping", ALL),
    "quiet": (audio(noise(9000, 0.003)), WARNING, "very quiet", ALL),
    "duplicate": (copied, WARNING, "the same audio as another utterance", OTHERS),
}
FAULTS = TABLE_FAULTS | {
    name: (change, severity, kind, "f1-01", usable) for name, (change, severity, kind, usable) in AUDIO_FAULTS.items()
}


def find(report: Report, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


def assert_as_kaldi_wants_it(folder: Path) -> None:
    """Kaldi's own rules, by tools that know nothing of this project."""
    for name in ("wav.scp", "utt2spk", "spk2utt", "segments", "text", "spk2gender"):
        if (folder / name).exists():
            assert subprocess.run(["sort", "-c", "-u", "-k1,1", folder / name], env={"LC_ALL": "C"}).returncode == 0
            assert (folder / name).read_bytes().endswith(b"\n")
            assert b"\r" not in (folder / name).read_bytes()
    pairs = [line.split() for line in (folder / "utt2spk").read_text().splitlines()]
    assert all(len(pair) == 2 for pair in pairs)
    assert all(one[1].encode() <= other[1].encode() for one, other in pairwise(pairs))
    inverse = [
        (utt, spk) for spk, *utts in map(str.split, (folder / "spk2utt").read_text().splitlines()) for utt in utts
    ]
    assert sorted(inverse) == sorted(map(tuple, pairs))
    source = "segments" if (folder / "segments").exists() else "wav.scp"
    assert {line.split()[0] for line in (folder / source).read_text().splitlines()} == {utt for utt, _ in pairs}


def test_nothing_is_wrong_with_a_sound_corpus(data):
    report = validate(data)
    assert report.findings == ()
    assert report.utterances == DataDir.read(data).utterances
    assert report.text() == f"{data}: nothing wrong; 6 usable utterances, 0.00 hours, 2 speakers"
    assert report.seconds == pytest.approx(6 * 0.8)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_absent_from_the_cleaned_copy(data, tmp_path, name):
    change, severity, kind, where, usable = FAULTS[name]
    change(data)
    report = validate(data)
    (found,) = find(report, kind)
    assert (found.severity, found.where) == (severity, where.format(data=data))
    assert found.fix
    assert report.failed(strict=False) == (severity is ERROR)
    assert report.failed(strict=True) == (severity is not NOTE)
    assert {utterance.utt_id for utterance in report.utterances} == usable
    if not usable:
        with pytest.raises(DataError, match="nothing usable"):
            write_clean(report, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    assert write_clean(report, tmp_path / "out") == []
    assert {utterance.utt_id for utterance in DataDir.read(tmp_path / "out")} == usable
    assert_as_kaldi_wants_it(tmp_path / "out")
    again = validate(tmp_path / "out")
    assert not again.failed(strict=False)
    assert not find(again, kind) or found.mending is Mending.KEPT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out"]


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_reader_refuses_is_an_error(data, name):
    FAULTS[name][0](data)
    try:
        DataDir.read(data)
    except (DataError, OSError):
        assert validate(data).failed(strict=False)


def test_faults_do_not_hide_each_other(data, tmp_path):
    names = ("unsorted", "blank", "repeated", "empty text", "no newline", "gender", "no spk2utt", "NaN")
    for name in names:
        FAULTS[name][0](data)
    report = validate(data)
    assert {finding.kind for finding in report.findings} == {FAULTS[name][2] for name in names}
    write_clean(report, tmp_path / "out")
    assert validate(tmp_path / "out").failed(strict=False) is False
    assert {u.utt_id for u in DataDir.read(tmp_path / "out")} == OTHERS


def test_every_utterance_of_a_kind_is_named(data):
    edit("wav.scp", r"(\S+) .*", r"\1 nowhere-\1.wav")(data)
    assert [finding.where for finding in find(validate(data), "missing audio file")] == sorted(ALL)


def test_a_damaged_recording_damages_all_that_is_cut_from_it(data):
    segments("f1-a rec 0.1 0.5\nf1-b rec 0.5 -1\n", "rec f1-01.wav\n")(data)
    truncated()(data)
    assert [finding.where for finding in find(validate(data), "truncated audio")] == ["f1-a", "f1-b"]


def test_segments_of_the_same_samples_are_duplicates(data):
    segments("f1-a rec 0.1 0.5\nf1-b rec 0.5 0.8\nf1-c rec 0.1 0.5\n")(data)
    assert [f.where for f in find(validate(data), "the same audio as another utterance")] == ["f1-c"]


def test_a_recording_that_was_streamed_is_not_truncated(data):
    """sox and ffmpeg cannot know the length when they write to a pipe."""
    audio(noise(16000))(data)
    content = bytearray((data / "f1-01.wav").read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (data / "f1-01.wav").write_bytes(content)
    assert validate(data).findings == ()


@pytest.mark.parametrize("frequency", [60.0, 200.0, 3000.0])
def test_a_sine_at_full_scale_is_not_clipped(data, frequency):
    audio(np.sin(2 * np.pi * frequency * np.arange(16000) / 16000), subtype="FLOAT")(data)
    assert find(validate(data), "clipping") == []


@pytest.mark.parametrize("at", [0, 65534, 65536, 99997])
def test_three_samples_at_full_scale_are_clipped_wherever_blocks_end(data, at):
    samples = noise(100000)
    samples[at : at + 2] = -1
    audio(samples)(data)
    assert find(validate(data), "clipping") == []
    samples[at : at + 3] = -1
    audio(samples)(data)
    (found,) = find(validate(data), "clipping")
    assert found.detail.startswith("1 times")


@pytest.mark.parametrize(
    ("utt2spk", "expected"),
    [
        ({"a": "s2", "b": "s1"}, {"s2-a": "s2", "s1-b": "s1"}),
        ({"s2-a": "s2", "b": "s3", "z": "s1"}, {"s2-a": "s2", "s3-b": "s3", "s1-z": "s1"}),
        ({"s1a": "s1", "s1b1": "s1b", "s1c": "s1"}, {"s1-s1a": "s1", "s1b-s1b1": "s1b", "s1-s1c": "s1"}),
        ({"a": "s1", "b": "s2"}, {"a": "s1", "b": "s2"}),
    ],
)
def test_utterances_are_renamed_only_as_the_order_takes(data, tmp_path, utt2spk, expected):
    files = dict(zip(utt2spk, ("f1-00.wav", "f1-01.wav", "m1-00.wav"), strict=False))
    (data / "spk2gender").unlink()
    (data / "utt2spk").write_text("".join(f"{utt} {spk}\n" for utt, spk in utt2spk.items()))
    (data / "wav.scp").write_text("".join(f"{utt} {file}\n" for utt, file in files.items()))
    (data / "text").write_text("".join(f"{utt} words of {utt}\n" for utt in utt2spk))
    (data / "spk2utt").unlink()
    report = validate(data)
    assert bool(find(report, "utterances that sort unlike their speakers")) == (utt2spk != expected)
    write_clean(report, tmp_path / "out")
    assert_as_kaldi_wants_it(tmp_path / "out")
    assert {u.utt_id: u.spk_id for u in DataDir.read(tmp_path / "out")} == expected
    for (utt, file), new in zip(files.items(), expected, strict=True):
        renamed = next(u for u in DataDir.read(tmp_path / "out") if u.utt_id == new)
        assert renamed.text == f"words of {utt}"
        assert renamed.path.name == file


def test_speakers_that_cannot_be_sorted_are_told_in_one_line(data, tmp_path):
    (data / "utt2spk").write_text("f1-00 a\nf1-01 a-b\nf1-02 a\nm1-00 a+\nm1-01 a\nm1-02 a-b\n")
    report = validate(data)
    assert report.failed(strict=False)
    with pytest.raises(DataError, match=r"some speaker's id begins with another's[^\n]*$"):
        write_clean(report, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_a_new_or_empty_folder_is_written(data, tmp_path):
    report = validate(data)
    with pytest.raises(DataError, match="exists and is not empty"):
        write_clean(report, data)
    (tmp_path / "out").mkdir()
    write_clean(report, tmp_path / "out")
    with pytest.raises(DataError, match="exists and is not empty"):
        write_clean(report, tmp_path / "out")


def test_other_files_are_told(data, tmp_path):
    (data / "phones.item").write_text("#file onset offset\n")
    assert write_clean(validate(data), tmp_path / "out") == ["phones.item"]


def test_no_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        validate(tmp_path / "nowhere")


@pytest.mark.parametrize("corpus", ["librispeech28", "emodb"])
def test_real_speech_has_no_fault_and_its_copy_neither(speech, tmp_path, corpus):
    whole = DataDir.read(speech / corpus)
    subset = whole.subset([utterance.utt_id for utterance in whole][::20])
    subset.write(tmp_path / "data")
    report = validate(tmp_path / "data")
    assert not report.failed(strict=False), report.findings
    assert report.utterances == DataDir.read(tmp_path / "data").utterances
    write_clean(report, tmp_path / "out")
    for name in ("wav.scp", "utt2spk", "spk2utt", "text", "spk2gender"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "data" / name).read_bytes()
