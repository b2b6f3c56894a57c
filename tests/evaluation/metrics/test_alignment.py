from pathlib import Path

import numpy as np
import pytest

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.alignment import read_ctm


@pytest.fixture
def ctm(tmp_path: Path):
    def write(text: str) -> Path:
        (tmp_path / "phones.ctm").write_text(text)
        return tmp_path / "phones.ctm"

    return write


def test_the_phone_at_a_time(ctm) -> None:
    path = ctm(";; made by hand\nu 1 0.10 0.10 A\nu 1 0.20 0.05 B 0.9\nv 1 0.0 1.0 C\nu 1 0.30 0.10 A\n")
    alignments = read_ctm(path)
    assert alignments.keys() == {"u", "v"}
    times = np.array([0.0, 0.1, 0.15, 0.2, 0.2499, 0.26, 0.3, 0.39, 0.41, 9.0])
    assert alignments["u"].at(times) == [None, "A", "A", "B", "B", None, "A", "A", None, None]


def test_lines_in_any_order_and_ends_that_overlap_by_rounding(ctm) -> None:
    alignment = read_ctm(ctm("u 1 0.1964 0.1000 b\nu 1 0.0000 0.1965 a\n"))["u"]
    assert alignment.at(np.array([0.1963, 0.19645])) == ["a", "b"]


def test_an_onset_belongs_to_its_phone_despite_rounding(ctm) -> None:
    alignment = read_ctm(ctm("".join(f"u 1 {i / 100:.3f} 0.010 {i}\n" for i in range(500))))["u"]
    assert alignment.at((np.arange(500) + 0.5) / 50 - 0.01) == [str(2 * i) if i < 250 else None for i in range(500)]


def test_no_times(ctm) -> None:
    assert read_ctm(ctm("u 1 0 1 a\n"))["u"].at(np.array([])) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no phone in the alignment"),
        (";; nothing\n", "no phone in the alignment"),
        ("u 1 0 1 a\n\n", ":2: expected"),
        ("u 1 0 1\n", ":1: expected"),
        ("u 1 0 1 a 0.5 more\n", ":1: expected"),
        ("u 1 0 1 a\nu 1 one 1 b\n", ":2: expected"),
        ("u 1 -0.1 1 a\n", ":1: expected"),
        ("u 1 0 -1 a\n", ":1: expected"),
        ("u 1 nan 1 a\n", ":1: expected"),
        ("u 1 0 inf a\n", ":1: expected"),
    ],
)
def test_malformed(ctm, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ctm(ctm(text))


def test_missing_or_binary(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the alignment"):
        read_ctm(tmp_path / "none.ctm")
    (tmp_path / "x.ctm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read the alignment"):
        read_ctm(tmp_path / "x.ctm")
