import inspect
import sys
from pathlib import Path

import pytest
import torchaudio.datasets.vctk

from data_prep import download
from data_prep.command import run
from sqspeech.errors import SqspeechError


@pytest.fixture
def fetched(monkeypatch):
    """Collect what would be fetched, and leave one byte in its place."""
    requests = []

    def fetch(source, path):
        requests.append((source, path))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")

    monkeypatch.setattr(download, "fetch", fetch)
    return requests


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["download", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        run(download.main)
    return stop.value.code


def test_vctk_is_the_archive_that_torchaudio_names():
    source = inspect.getsource(torchaudio.datasets.vctk)
    assert f'"{download.VCTK.url}": "{download.VCTK.sha256}"' in source


def test_the_last_line_is_the_archive(monkeypatch, tmp_path, capsys, fetched):
    assert command(monkeypatch, "vctk", "--cache", tmp_path / "cache") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "CC BY 4.0" in lines[0]
    assert Path(lines[-1]).read_bytes() == b"x"
    assert fetched == [(download.VCTK, tmp_path / "cache/VCTK-Corpus-0.92.zip")]


@pytest.mark.parametrize(
    ("stated", "folder"), [("{0}/x", "x/sqspeech"), ("", ".cache/sqspeech"), ("x", ".cache/sqspeech")]
)
def test_the_cache_is_the_users(monkeypatch, tmp_path, fetched, stated, folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", stated.format(tmp_path))
    assert command(monkeypatch, "vctk") == 0
    assert fetched[0][1].parent == tmp_path / folder


def test_a_failure_is_one_line_and_status_1(monkeypatch, tmp_path, capsys):
    def fetch(*_):
        raise SqspeechError("no server")

    monkeypatch.setattr(download, "fetch", fetch)
    assert command(monkeypatch, "vctk", "--cache", tmp_path) == 1
    assert capsys.readouterr().err == "error: no server\n"


def test_zerospeech_says_whom_to_ask_and_what_comes_next(monkeypatch, capsys, fetched):
    assert command(monkeypatch, "zerospeech2019") == 0
    out = capsys.readouterr().out
    for word in ("https://zerospeech.com", "licence", "contact@zerospeech.com", "english/train/{unit,voice,", "CORPUS"):
        assert word in out
    assert out.splitlines()[-1] == "Next: python -m data_prep.zerospeech2019 CORPUS DATA_DIR"
    assert "lacks" not in out
    assert fetched == []


@pytest.mark.parametrize(("folder", "language"), [(".", "english"), ("2019", "english"), ("2019", "surprise")])
def test_zerospeech_that_is_there_is_seen(monkeypatch, tmp_path, capsys, folder, language):
    for name in ("train/unit", "train/voice", "test"):
        (tmp_path / folder / language / name).mkdir(parents=True)
    assert command(monkeypatch, "zerospeech2019", "--corpus", tmp_path) == 0
    assert f"{tmp_path} lacks {language}/vads.txt." in capsys.readouterr().out
    (tmp_path / folder / language / "vads.txt").touch()
    assert command(monkeypatch, "zerospeech2019", "--corpus", tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}: the ZeroSpeech 2019 corpus is there.",
        f"Next: python -m data_prep.zerospeech2019 {tmp_path} DATA_DIR",
    ]


@pytest.mark.parametrize("arguments", [("vctk", "--corpus", "x"), ("zerospeech2019", "--cache", "x"), ("timit",)])
def test_what_does_not_go_together_is_a_usage_error(monkeypatch, fetched, arguments):
    assert command(monkeypatch, *arguments) == 2
    assert fetched == []
