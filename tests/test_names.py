"""Names of files made from ids: in the folder, told apart, readable, and those of ordinary ids as they are."""

import os
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqspeech.conversion import ConversionRequest
from sqspeech.data.data_dir import Utterance
from sqspeech.names import file_name, is_hidden, is_utf8, shown, written_alike

PIECES = st.sampled_from(
    ["/", "\\", "..", ".", "%", "%2F", "%~", "\0", "a", "é", "\udce9", "\ud800", "-", " ", "x" * 200, "2F"]
)
IDS = st.one_of(st.text(st.characters(), max_size=300), st.lists(PIECES, max_size=8).map("".join))
ORDINARY = st.from_regex(r"[A-Za-z0-9_é+~@#=,()-][\w.+~@#=,()-]{0,60}", fullmatch=True)


def digest_of(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


@settings(derandomize=True, max_examples=300)
@given(IDS)
@example("../../etc/passwd")
@example("x" * 300)
def test_a_file_is_one_name_in_its_folder(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "one-name"
    folder.mkdir(exist_ok=True)
    path = folder / file_name(name, ".wav")
    path.touch()
    assert [os.fsencode(entry.name) for entry in folder.iterdir()] == [os.fsencode(path.name)]
    path.unlink()
    assert not path.name.startswith(".")


@settings(derandomize=True, max_examples=300)
@given(st.lists(IDS, min_size=2, max_size=12, unique=True))
@example(["a/b", "a%2Fb", "a%252Fb"])
@example(["x" * 300, "x" * 301, file_name("x" * 300)])
@example(["", "%", "%~", file_name("")])
def test_no_two_names_give_one_file(names):
    assert len({file_name(name, ".wav") for name in names}) == len(names)


@settings(derandomize=True, max_examples=300)
@given(st.text(st.characters(), min_size=1, max_size=20))
def test_a_name_can_be_told_from_its_file(name):
    assert unquote(file_name(name), errors="surrogatepass") == name


@settings(derandomize=True)
@given(ORDINARY)
def test_an_ordinary_name_stays(name):
    assert file_name(name, ".wav") == f"{name}.wav"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p225_001", "p225_001"),
        ("19-198-0001", "19-198-0001"),
        ("größe", "größe"),
        ("50%-a", "50%-a"),
        ("a b", "a b"),
        ("-rf", "-rf"),
        ("a..b", "a..b"),
        ("../../x", "%2E.%2F..%2Fx"),
        ("/x", "%2Fx"),
        ("s1/x", "s1%2Fx"),
        (".", "%2E"),
        ("..", "%2E."),
        (".x", "%2Ex"),
        ("a\\b", "a%5Cb"),
        ("a\0b", "a%00b"),
        ("a\nb", "a%0Ab"),
        ("a%2Fb", "a%252Fb"),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 221 + "%~" + digest_of("x" * 256)),
    ],
)
def test_names_of_files(name, expected):
    assert file_name(name) == expected


@pytest.mark.parametrize(
    ("utt_id", "target", "expected"),
    [
        ("a", "f1", "a-to-f1.wav"),
        ("a", "f1:0.5,f2:0.5", "a-to-f1_0.5_f2_0.5.wav"),
        ("a", "../../f1", "a-to-%2E._.._f1.wav"),
        ("../a", "f 1", "%2E.%2Fa-to-f_1.wav"),
        ("a", "\0", "a-to-_.wav"),
        ("x" * 245, "f1", "x" * 245 + "-to-f1.wav"),
        ("x" * 246, "f1", "x" * 211 + "%~" + digest_of("x" * 246) + "-to-f1.wav"),
    ],
)
def test_names_of_conversions(utt_id, target, expected):
    job = ConversionRequest(utterance=Utterance(utt_id=utt_id, spk_id="s", path=Path("x.wav")), targets=(target,))
    assert job.file_name(target) == expected


@pytest.mark.parametrize("target", ["f1:1," * 100, "../" * 200, "x" * 5000])
def test_a_long_target_leaves_room_for_the_utterance(target):
    job = ConversionRequest(utterance=Utterance(utt_id="a" * 300, spk_id="s", path=Path("x.wav")), targets=(target,))
    name = job.file_name(target)
    assert name.startswith("a" * 80)
    assert len(name.encode()) <= 255


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a\tb\nc", "a b c"), ("caf\udce9", "caf\\udce9"), (Path("x/y"), "x/y"), ("größe", "größe"), (" ", "")],
)
def test_a_name_is_shown_on_one_line(name, expected):
    assert shown(name) == expected


@pytest.mark.parametrize(("name", "expected"), [("a", True), ("é", True), ("\U0001f600", True), ("\udce9", False)])
def test_names_that_are_not_utf8(name, expected):
    assert is_utf8(name) is expected
    assert is_utf8(os.fsdecode(os.fsencode(name) if expected else b"\xe9")) is expected


@pytest.mark.parametrize(
    ("name", "expected"), [(".DS_Store", True), ("._a.wav", True), ("__MACOSX", True), ("a.wav", False), ("_a", False)]
)
def test_hidden_names(name, expected):
    assert is_hidden(name) is expected


@pytest.mark.parametrize(
    ("there", "asked", "sure"),
    [
        ("cafe\u0301.wav", "caf\u00e9.wav", True),
        ("caf\u00e9.wav", "cafe\u0301.wav", True),
        ("e\u0301/u\u0308.wav", "\u00e9/\u00fc.wav", True),
        ("\u00e9/u\u0308.wav", "e\u0301/\u00fc.wav", True),
        ("clips/w.wav", "clips\\w.wav", True),
        ("clips/caf\u00e9.wav", "clips\\cafe\u0301.wav", True),
        ("ok.wav", "OK.WAV", False),
        ("Clips/\u00c9.wav", "clips/e\u0301.wav", False),
        ("a.wav", "b.wav", None),
        ("a/b.wav", "c/b.wav", None),
    ],
)
def test_a_name_that_is_written_otherwise_is_found(tmp_path, there, asked, sure):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).touch()
    found, is_sure = written_alike(tmp_path / asked)
    assert (found, is_sure) == ((None, False) if sure is None else (tmp_path / there, sure))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "x.wav/y", ""])
def test_a_name_that_no_file_can_have_is_not_found(tmp_path, name):
    (tmp_path / "x.wav").touch()
    assert written_alike(tmp_path / "no" / name) == (None, False)
