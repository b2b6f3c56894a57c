"""Whatever happens to the tables, every fault is a finding, and what the cleaned copy holds is sound."""

import shutil
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqspeech.data.data_dir import DataDir
from sqspeech.data_checks.fix import write_clean
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError

pytestmark = pytest.mark.usefixtures("without_processes")
TABLES = ("wav.scp", "utt2spk", "spk2utt", "text", "spk2gender", "segments")
SEGMENTS = "f1-00 f1-00 0.0 0.5\nf1-01 f1-00 0.1 0.7\nf1-02 f1-01 0.2 -1\nm1-00 m1-00 0 0.8\nm1-01 m1-02 0.05 0.6\n"
PIECES = st.sampled_from(
    [
        "f1",
        "m1",
        "f1-00",
        "f1-02",
        "m1-00",
        "x",
        "f1-00.wav",
        "|",
        "0",
        "-1",
        "nan",
        "1e9",
        "\t",
        "\r",
        "\x00",
        "ü",
        "\u3000",
    ]
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Lines shuffled, repeated, removed, altered, and bytes that no encoding has."""
    lines = content.split(b"\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        match draw(st.sampled_from(["shuffle", "repeat", "remove", "insert", "replace", "bytes"])):
            case "shuffle":
                lines = draw(st.permutations(lines))
            case "repeat":
                lines = [*lines, *lines[at : at + 2]]
            case "remove":
                lines = lines[:at] + lines[at + 1 :]
            case "insert":
                lines = [*lines[:at], " ".join(draw(st.lists(PIECES, max_size=4))).encode(), *lines[at:]]
            case "replace" if lines:
                fields = lines[at].split(b" ")
                fields[draw(st.integers(0, len(fields) - 1))] = draw(PIECES).encode()
                lines = [*lines[:at], b" ".join(fields), *lines[at + 1 :]]
            case "bytes":
                lines = [*lines[:at], draw(st.binary(max_size=12)), *lines[at:]]
    return b"\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(draw=st.data(), segmented=st.booleans())
def test_damaged_tables(tmp_path_factory, sound_corpus, draw, segmented):
    folder = tmp_path_factory.mktemp("damaged")
    data, out = folder / "data", folder / "out"
    shutil.copytree(sound_corpus, data)
    if segmented:
        (data / "segments").write_text(SEGMENTS)
        (data / "utt2spk").write_text("".join(f"{row.split()[0]} {row[:2]}\n" for row in SEGMENTS.splitlines()))
    for name in draw.draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True)):
        if (data / name).exists():
            (data / name).write_bytes(draw.draw(damaged((data / name).read_bytes())))
    report = validate(data)
    assert all(finding.kind and finding.where and finding.fix for finding in report.findings)
    if not report.failed(strict=True):
        assert report.utterances == DataDir.read(data).utterances
    elif error_of(lambda: DataDir.read(data)) is not None:
        assert report.failed(strict=False)
    told = error_of(lambda: write_clean(report, out))
    if told is not None:
        assert "\n" not in told
        assert not out.exists()
        return
    assert [u.spk_id for u in DataDir.read(out)] == sorted(u.spk_id for u in report.utterances)
    assert not validate(out).failed(strict=False)


def error_of(action: Callable[[], object]) -> str | None:
    try:
        action()
    except DataError as error:
        return str(error)
    return None
