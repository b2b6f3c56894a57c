"""Curve of words from JSON files as `sqspeech evaluate` writes them."""

import json
import sys
from math import log2
from pathlib import Path

import pytest
from PIL import Image

from sqspeech import cli
from sqspeech.errors import DataError
from sqspeech.evaluation.speech.word_curve import by_stages, draw_word_curve, read_points, word_table

# Two stages of 4 codewords over 10 s: of 2 and of 1 bit, 16 units.
USAGE = [[4, 4, 4, 4], [8, 8, 0, 0]]


def errors(word: float) -> dict[str, float]:
    return {"word_error": word, "word_error_std": 9.0, "character_error": word / 2}


def write(path: Path, usage: list, word: float, **others: object) -> Path:
    judges = {"recogniser": "tiny.en", "natural": errors(10.0), "reconstruction": errors(word)}
    path.write_text(json.dumps({"seconds": 10.0, "usage": usage, "judges": judges, **others}))
    return path


def test_the_bits_are_the_sum_over_the_stages(tmp_path) -> None:
    (one,) = read_points(write(tmp_path / "1.json", [1, 2, 1, 4], 50.0))
    entropy = -2 * (1 / 8) * log2(1 / 8) - (1 / 4) * log2(1 / 4) - (1 / 2) * log2(1 / 2)
    assert (one.stages, one.word_error, one.character_error, one.natural) == (1, 50.0, 25.0, 10.0)
    assert one.bitrate == pytest.approx(0.8 * entropy)
    (two,) = read_points(write(tmp_path / "2.json", USAGE, 40.0))
    assert (two.stages, two.bitrate) == (2, pytest.approx(1.6 * 3))


def test_first_stages_that_were_decoded_are_points(tmp_path) -> None:
    words = {
        "natural": errors(10.0),
        "codes": errors(40.0) | {"bitrate_of_stages": 4.8},
        "stages_1": errors(60.0) | {"bitrate_of_stages": 3.2},
        "stages_2": errors(40.0) | {"bitrate_of_stages": 4.8},
    }
    points = read_points(write(tmp_path / "m.json", USAGE, 40.0, words=words))
    assert [(point.stages, point.bitrate, point.word_error) for point in points] == [(1, 3.2, 60.0), (2, 4.8, 40.0)]


def test_seeds_are_one_row_with_their_spread_and_stages_are_rows(tmp_path) -> None:
    points = [
        *read_points(write(tmp_path / "a.json", USAGE, 40.0)),
        *read_points(write(tmp_path / "b.json", USAGE, 44.0)),
        *read_points(write(tmp_path / "c.json", USAGE[0], 70.0)),
    ]
    assert [[point.word_error for point in seeds] for seeds in by_stages(points)] == [[70.0], [40.0, 44.0]]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in word_table({"x": points}).splitlines()]
    assert ["x", "1", "1", "3.2", "70", "35"] in rows
    assert ["x", "2", "2", "4.8 ± 0", "42 ± 2.8", "21 ± 1.4"] in rows
    draw_word_curve(tmp_path / "curve.png", {"x": points, "y": points[:1]})
    with Image.open(tmp_path / "curve.png") as picture:
        assert {colour for _, colour in picture.convert("RGB").getcolors(2**16)} >= {(31, 119, 180), (255, 127, 14)}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"judges": {"natural": {"word_error": 1.0}}}', '{"usage": [1], "seconds": 1.0}']
)
def test_a_file_without_words_is_named(tmp_path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(DataError, match=r"m.json: (cannot read|no word error of reconstructions)"):
        read_points(tmp_path / "m.json")


def test_the_command(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    files = [f"best={write(Path(name), USAGE, word)}" for name, word in (("a.json", 40.0), ("b.json", 44.0))]
    monkeypatch.setattr(sys, "argv", ["sqspeech", "word-curve", *files, "-o", "c/curve.png"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert "42 ± 2.8" in capsys.readouterr().out
    assert Path("c/curve.png").exists()
