"""A tiny vocoder, trained and put into a codec."""

import sys
from pathlib import Path

import pytest
from commands import run
from vocoder_place import Place

from sqspeech import cli


@pytest.fixture(scope="session")
def place(tmp_path_factory, experiment) -> Place:
    return Place(tmp_path_factory.mktemp("vocoder"), experiment)


@pytest.fixture(scope="session")
def vocoder(place) -> Path:
    """The checkpoint of a trained one."""
    run("train", place.root / "dump", place.root / "exp", "--config", place.config)
    return place.root / "exp/best.ckpt"


@pytest.fixture(scope="session")
def speaking(place, vocoder) -> Path:
    """The codec with the vocoder."""
    run("attach-vocoder", place.codec, vocoder, "-o", place.root / "speaking.ckpt")
    return place.root / "speaking.ckpt"


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run a command that fails, and return its one line."""

    def fail(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["sqspeech", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        lines = [line for line in capsys.readouterr().err.splitlines() if "━" not in line]
        assert ended.value.code == 1
        assert len(lines) == 1
        return lines[0]

    return fail
