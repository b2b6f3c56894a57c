"""The archive is the tree, whole or absent."""

import os
import signal
import zipfile
from pathlib import Path

import pytest
from full_disk import space_left

from sqspeech.errors import SqspeechError
from sqspeech.submission import archive, archive_path, write_archive


def test_it_lists_exactly_the_tree(sound):
    path = write_archive(sound.root)
    assert path == sound.root.with_name("submission.zip")
    files = {str(file.relative_to(sound.root)): file.read_bytes() for file in sound.root.rglob("*") if file.is_file()}
    with zipfile.ZipFile(path) as written:
        assert written.testzip() is None
        assert sorted(written.namelist()) == sorted(files)
        assert all(written.read(name) == content for name, content in files.items())


def test_a_full_disk_leaves_the_former_one(sound):
    former = write_archive(sound.root).read_bytes()
    (sound.root / "2019/code/README.txt").write_text("changed\n")
    with space_left(2000), pytest.raises(SqspeechError, match=r"cannot write \(File too large\); free some space"):
        write_archive(sound.root)
    assert sound.root.with_name("submission.zip").read_bytes() == former
    assert not list(sound.root.parent.glob(".tmp-*"))


def test_an_interruption_leaves_nothing(sound, monkeypatch):
    class Interrupted(zipfile.ZipFile):
        def write(self, *arguments, **options):
            super().write(*arguments, **options)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(archive, "ZipFile", Interrupted)
    before = sorted(sound.root.parent.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write_archive(sound.root)
    assert sorted(sound.root.parent.iterdir()) == before


def test_a_folder_that_cannot_be_written(sound, monkeypatch):
    blocked = sound.root.with_name("submission.zip")
    blocked.mkdir()
    with pytest.raises(SqspeechError, match="cannot write"):
        write_archive(sound.root)


def test_the_working_folder_has_an_archive_beside_it(sound, monkeypatch):
    monkeypatch.chdir(sound.root)
    assert archive_path(Path()) == sound.root.with_name("submission.zip")
