"""Every violation is found alone and named with its file; the organisers' loader reads what is called sound."""

import os
import random
import shutil
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sqspeech.submission import notes, validate

TXT = "2019/english/test/f1-04.txt"
AUX = "2019/surprise/auxiliary_embedding1/m1-05.txt"
WAV = "2019/english/test/f2_f1-04.wav"
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)


def found(sound, **options) -> list[tuple[str, int | None, str]]:
    return [(str(v.path.relative_to(sound.root)), v.line, v.what) for v in validate(sound.root, **options)]


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def test_what_was_built_is_sound(sound):
    assert found(sound, parts=sound.parts) == []
    assert found(sound) == []
    assert list(notes(sound.root)) == []


def test_one_language_alone(sound):
    shutil.rmtree(sound.root / "2019/surprise")
    assert found(sound, parts=sound.parts[:1]) == []
    assert [note.split()[0] for note in notes(sound.root)] == ["surprise"]
    assert found(sound, parts=sound.parts) == [("2019/surprise", None, "is missing")]


# Name: the file that is damaged, how, the line and what is said.
LINES = {
    "nan": (lambda rows: [*rows[:2], "nan" + rows[2][rows[2].index(" ") :], *rows[3:]], 3, "NaN or infinite"),
    "infinite": (lambda rows: ["-inf" + rows[0][rows[0].index(" ") :], *rows[1:]], 1, "NaN or infinite"),
    "ragged": (lambda rows: [*rows[:4], rows[4] + " 1", *rows[5:]], 5, "another number of columns"),
    "other columns": (lambda rows: [row + " 1" for row in rows], None, "columns, but"),
    "indices": (lambda rows: [str(index) for index, _ in enumerate(rows)], 1, "single column"),
    "blank line": (lambda rows: [*rows, ""], 40, "is blank"),
    "two spaces": (lambda rows: [rows[0].replace(" ", "  ", 1), *rows[1:]], 1, "one space between"),
    "space at the end": (lambda rows: [*rows[:-1], rows[-1] + " "], 39, "one space between"),
    "tab": (lambda rows: [rows[0], rows[1].replace(" ", "\t"), *rows[2:]], 2, "one space between"),
    "words": (lambda rows: [rows[0], "a b c d", *rows[2:]], 2, "one space between"),
    "long line": (lambda rows: [rows[0], "1" * 2**21, *rows[2:]], 2, "longer than"),
    "empty": (lambda rows: [], None, "no frames"),
}


@pytest.mark.parametrize("name", [TXT, AUX])
@pytest.mark.parametrize("kind", LINES)
def test_units(sound, name, kind):
    change, line, what = LINES[kind]
    edit(sound.root / name, change)
    ((path, at, said),) = found(sound, parts=sound.parts)
    assert (path, at) == (name, line)
    assert what in said


def test_every_line_counts_once(sound):
    edit(sound.root / TXT, lambda rows: [*rows[:9], *("nan nan nan nan" for _ in rows[9:])])
    ((_, line, what),) = found(sound)
    assert line == 10
    assert what.endswith("as have 29 more lines")


def test_bytes_that_no_encoding_has(sound):
    (sound.root / TXT).write_bytes(b"1 2 3 4\n\xff\xfe 2 3 4\n")
    assert [(path, line) for path, line, _ in found(sound)] == [(TXT, 2)]


def riff(rate: int = 16000, channels: int = 1, width: int = 2, frames: int = 800) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, width, rate, 0, "NONE", ""))
            file.writeframes(bytes(frames * channels * width))

    return write


def shorten_riff(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + struct.pack("<I", 20) + content[8:])


RECORDINGS = {
    "short RIFF": (shorten_riff, "ends too early"),
    "rate": (riff(rate=22050), "22050 Hz"),
    "stereo": (riff(channels=2), "2 channels"),
    "8 bits": (riff(width=1), "8 bits"),
    "no samples": (riff(frames=0), "no samples"),
    "0 bytes": (lambda path: path.write_bytes(b""), "ends too early"),
    "text": (lambda path: path.write_text("words\n" * 99), "no WAV"),
    "flac": (lambda path: soundfile.write(path, NOISE, 16000, format="FLAC"), "no WAV"),
    "floats": (lambda path: soundfile.write(path, NOISE, 16000, subtype="FLOAT"), "no WAV of integer samples"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), "truncated"),
}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings(sound, kind):
    damage, what = RECORDINGS[kind]
    damage(sound.root / WAV)
    ((path, _, said),) = found(sound, parts=sound.parts)
    assert path == WAV
    assert what in said


def rewrite(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / old).rename(root / new)


def add(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text("1 2 3 4\n")


def swap(name: str) -> Callable[[Path], object]:
    """A folder in a file's place, or the reverse."""

    def change(root: Path) -> None:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.write_text("x")
        else:
            path.unlink()
            path.mkdir()

    return change


ROOT, YEAR = "metadata.yaml", "2019/metadata.yaml"
TREE = {
    "missing units": (lambda root: (root / TXT).unlink(), [(TXT, "missing")]),
    "missing auxiliary": (lambda root: (root / AUX).unlink(), [(AUX, "missing")]),
    "missing wav": (lambda root: (root / WAV).unlink(), [(WAV, "missing")]),
    "renamed wav": (rename(WAV, WAV.replace("f2_", "m1_")), [(WAV, "missing"), (WAV.replace("f2_", "m1_"), "belong")]),
    "extra units": (add("2019/english/test/x.txt"), [("2019/english/test/x.txt", "belong")]),
    "hidden file": (add("2019/english/auxiliary_embedding2/.x"), [("2019/english/auxiliary_embedding2/.x", "belong")]),
    "extra in root": (add("notes.txt"), [("notes.txt", "belong")]),
    "extra in year": (add("2019/notes.txt"), [("2019/notes.txt", "belong")]),
    "extra in language": (add("2019/english/x"), [("2019/english/x", "belong")]),
    "wrong language": (
        rename("2019/surprise", "2019/french"),
        [("2019/french", "belong"), ("2019/surprise", "missing")],
    ),
    "wrong test": (
        rename("2019/english/test", "2019/english/tests"),
        [("2019/english/test", "missing"), ("2019/english/tests", "belong")],
    ),
    "wrong year": (rename("2019", "2018"), [("2018", "belong"), ("2019", "missing")]),
    "units are a folder": (swap(TXT), [(TXT, "is no file")]),
    "wav is a folder": (swap(WAV), [(WAV, "is no file")]),
    "test is a file": (swap("2019/english/test"), [("2019/english/test", "is no folder")]),
    "year is a file": (swap("2019"), [("2019", "is no folder")]),
    "language is a file": (swap("2019/english"), [("2019/english", "is no folder")]),
    "metadata is a folder": (swap(YEAR), [(YEAR, "is no file")]),
    "a link to nothing": (
        lambda root: ((root / TXT).unlink(), (root / TXT).symlink_to("gone")),
        [(TXT, "is no file")],
    ),
    "one language lacks an auxiliary": (
        lambda root: shutil.rmtree(root / "2019/english/auxiliary_embedding2"),
        [("2019/english/auxiliary_embedding2", "missing, but surprise has it")],
    ),
    "no code": (lambda root: shutil.rmtree(root / "2019/code"), [("2019/code", "missing")]),
    "empty code": (lambda root: (root / "2019/code/README.txt").unlink(), [("2019/code", "holds no code")]),
    "closed with code": (rewrite(ROOT, "true", "false"), [("2019/code", "not open source")]),
    "no root metadata": (lambda root: (root / ROOT).unlink(), [("2019/code", "not open source"), (ROOT, "missing")]),
    "no year metadata": (lambda root: (root / YEAR).unlink(), [(YEAR, "missing")]),
    "missing key": (rewrite(ROOT, "author:", "# author:"), [(ROOT, "lacks the key 'author'")]),
    "unknown key": (rewrite(YEAR, "using external data: false", "using external data: false\nhyperparameters: x"),
                    [(YEAR, "unknown key 'hyperparameters'")]),
    "auxiliary not described": (rewrite(YEAR, "auxiliary2 description", "# auxiliary2 description"),
                                [(YEAR, "lacks the key 'auxiliary2 description'")]),
    "not a truth value": (rewrite(YEAR, "parallel train: false", "parallel train: 'no'"),
                          [(YEAR, "'using parallel train' is 'no'")]),
    "not text": (rewrite(ROOT, "A. Uthor", "12"), [(ROOT, "'author' is 12")]),
    "no value": (rewrite(ROOT, " A. Uthor", ""), [(ROOT, "'author' is None")]),
    "empty text": (rewrite(ROOT, "A. Uthor", '""'), [(ROOT, "'author' is empty")]),
    "unknown distance": (rewrite(YEAR, "dtw_cosine", "cosine"), [(YEAR, "'abx distance' is 'cosine'")]),
    "no YAML": (rewrite(YEAR, "abx distance:", "abx: distance: ["), [(YEAR, "is no YAML")]),
    "empty YAML": (lambda root: (root / YEAR).write_text(""), [(YEAR, "has no keys")]),
    "a list": (lambda root: (root / YEAR).write_text("- a\n- b\n"), [(YEAR, "has no keys")]),
}  # fmt: skip


@pytest.mark.parametrize("kind", TREE)
def test_the_tree_and_its_metadata(sound, kind):
    damage, expected = TREE[kind]
    damage(sound.root)
    told = sorted((path, what) for path, _, what in found(sound, parts=sound.parts))
    assert [path for path, _ in told] == sorted(path for path, _ in expected)
    for (_, what), (_, words) in zip(told, sorted(expected), strict=True):
        assert words in what


def test_the_second_auxiliary_without_the_first(sound):
    for language in ("english", "surprise"):
        shutil.rmtree(sound.root / f"2019/{language}/auxiliary_embedding1")
    assert found(sound) == [
        (f"2019/{language}/auxiliary_embedding2", None, "is there without auxiliary_embedding1")
        for language in ("english", "surprise")
    ]


def test_several_at_once_are_all_named(sound):
    (sound.root / WAV).unlink()
    (sound.root / AUX).write_text("")
    (sound.root / "2019/english/x").touch()
    edit(sound.root / TXT, lambda rows: ["nan 1 2 3", rows[1] + " 1", *rows[2:]])
    told = [path for path, _, _ in found(sound, parts=sound.parts)]
    assert sorted(told) == sorted(["2019/english/x", WAV, TXT, TXT, AUX])


def test_a_violation_is_one_line_with_place_and_remedy(sound):
    edit(sound.root / TXT, lambda rows: ["3"] * 4)
    (violation,) = validate(sound.root)
    assert str(violation) == (
        f"{sound.root / TXT}:1: has a single column, which the evaluation reads as empty, as have 3 more lines; "
        "write code vectors or one-hot vectors, no indices"
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_is_told_and_crashes_nothing(sound, seed):
    rng = random.Random(seed)
    files = sorted(path for path in sound.root.rglob("*") if path.is_file())
    for path in rng.sample(files, 6):
        content = bytearray(path.read_bytes())
        match rng.choice(["cut", "bytes", "insert", "header", "remove"]):
            case "cut":
                content = content[: rng.randrange(len(content))]
            case "bytes":
                for _ in range(rng.randrange(1, 9)):
                    content[rng.randrange(len(content))] = rng.randrange(256)
            case "insert":
                at = rng.randrange(len(content))
                content[at:at] = rng.choice([b"\x00", b"\n\n", b" ", b"nan", b"\xff", b"\r", b"[", b"&a *a"])
            case "header":
                at = rng.randrange(0, min(44, len(content)) - 4)
                content[at : at + 4] = struct.pack("<I", rng.randrange(2**32))
            case "remove":
                content = bytearray()
        path.write_bytes(content)
    for violation in validate(sound.root, sound.parts):
        assert "\n" not in str(violation)
        assert violation.remedy


def test_what_is_sound_is_read_by_the_loader_of_the_evaluation(sound):
    """Its rules, written anew: blank and single-column lines are passed over, the rest are floats with one space."""
    for path in sorted(sound.root.rglob("*.txt")):
        if path.parent.name == "code":
            continue
        rows = [
            line.strip("\n").split(" ")
            for line in path.read_text().splitlines(keepends=True)
            if line not in ("\n", "", " ")
        ]
        matrix = np.array([[float(value) for value in row] for row in rows if len(row) > 1])
        assert matrix.shape == (39, 8 if path.parent.name == "auxiliary_embedding1" else 4)
