"""The advice where a file cannot be written fits the reason."""

import errno
import os
from pathlib import Path

import pytest

from sqspeech.atomic import write_text
from sqspeech.errors import SqspeechError, cannot_write
from sqspeech.lock import locked


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "free some space"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.EPERM, "choose a folder that you may write to"),
        (errno.EROFS, "choose a folder that you may write to"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.ENOTDIR, "something else is in the way"),
        (errno.EEXIST, "something else is in the way"),
        (errno.EISDIR, "something else is in the way"),
        (errno.EIO, "see whether its folder can be written"),
    ],
)
def test_the_advice_is_for_the_reason(number, advice):
    message = str(cannot_write("x", OSError(number, os.strerror(number))))
    assert message.startswith(f"x: cannot write ({os.strerror(number)}); {advice}")
    assert ("space" in message) == (advice == "free some space")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("x" * 300, "shorter name"),
        ("file/x", "in the way"),
        ("folder", "in the way"),
        ("x" * 300 + "/y", "shorter name"),
    ],
)
def test_files_that_cannot_be(tmp_path, path, advice):
    (tmp_path / "file").touch()
    (tmp_path / "folder/full").mkdir(parents=True)
    with pytest.raises(SqspeechError, match=advice):
        write_text(tmp_path / path, "x")
    with pytest.raises(SqspeechError, match=advice), locked(tmp_path / path / "lock"):
        write_text(tmp_path / path, "x")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "a" * 251 + ".wav"])
def test_a_name_as_long_as_may_be_is_written(tmp_path, name):
    write_text(tmp_path / name, "x")
    assert [path.name for path in Path(tmp_path).iterdir()] == [name]
