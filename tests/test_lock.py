import multiprocessing
import shutil

import pytest

from sqspeech.errors import SqspeechError
from sqspeech.lock import locked


def test_alone_excludes_everyone(tmp_path):
    path = tmp_path / "folder/lock"
    with locked(path):
        for shared in (False, True):
            with pytest.raises(SqspeechError, match="another run is writing here"), locked(path, shared=shared):
                pass
    with locked(path):
        pass


def test_shared_excludes_those_who_want_it_alone(tmp_path):
    path = tmp_path / "lock"
    shared = locked(path, shared=True), locked(path, shared=True)
    with shared[0], shared[1], pytest.raises(SqspeechError, match="another run"), locked(path):
        pass


def test_a_removed_lock_file_excludes_nobody_and_is_made_again(tmp_path):
    path = tmp_path / "folder/lock"
    with locked(path):
        shutil.rmtree(path.parent)
        with locked(path), pytest.raises(SqspeechError), locked(path):
            pass


def hold(path, ready, enough):
    with locked(path):
        ready.set()
        enough.wait(60)


def test_it_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, enough = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "lock", ready, enough))
    process.start()
    assert ready.wait(60)
    with pytest.raises(SqspeechError), locked(tmp_path / "lock"):
        pass
    process.kill()
    process.join()
    with locked(tmp_path / "lock"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SqspeechError, match="cannot write"), locked(tmp_path / "file/lock"):
        pass
