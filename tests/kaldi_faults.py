"""Data directories with one fault each, and Kaldi's rules by other means than the project's."""

import os
import re
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from corpus import voice

from sqspeech.data.findings import Finding, Severity
from sqspeech.data_checks.validate import Report

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
        "segments that end a little after their recording",
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
