"""Checkpoints on disks that fill, tear and lie."""

import errno
import os
import threading

import pytest
import torch

from sqspeech.errors import CheckpointError, SqspeechError
from sqspeech.training.checkpoints import Checkpoints, remove_torn

CPU = torch.device("cpu")


def content(step: int) -> dict:
    weight = torch.full((3,), float(step))
    return {"format": "sqspeech-2", "model": {"w": weight}, "training": {"step": step, "nested": [(weight, "x")]}}


def saved(exp, *steps: int, best: frozenset[int] = frozenset(), keep_every: int = 1000, keep: int = 2) -> Checkpoints:
    checkpoints = Checkpoints(exp, keep_every=keep_every, keep=keep)
    for step in steps:
        checkpoints.save(content(step), best=step in best)
    checkpoints.wait()
    return checkpoints


def step_of(path) -> int:
    return torch.load(path)["training"]["step"]


def names(exp) -> set[str]:
    return {path.name for path in exp.iterdir()}


def test_what_is_saved_is_what_it_was_when_it_was_saved(tmp_path):
    checkpoints, changing = Checkpoints(tmp_path, keep_every=1000, keep=2), content(1)
    checkpoints.save(changing, best=False)
    changing["model"]["w"].zero_()  # the next step, while the thread still writes
    changing["training"]["nested"][0][0].zero_()
    checkpoints.wait()
    stored = torch.load(tmp_path / "last.ckpt")
    assert stored["model"]["w"].tolist() == [1, 1, 1]
    assert stored["training"]["nested"][0][0].tolist() == [1, 1, 1]


def test_last_previous_best_and_the_newest_of_every_n_are_kept(tmp_path):
    saved(tmp_path, *range(10), best=frozenset({0, 3}), keep_every=2)
    assert names(tmp_path) == {"last.ckpt", "previous.ckpt", "best.ckpt", "step-6.ckpt", "step-8.ckpt"}
    found = {path.stem: step_of(path) for path in tmp_path.iterdir()}
    assert found == {"last": 9, "previous": 8, "best": 3, "step-6": 6, "step-8": 8}


def test_one_is_due_when_the_last_is_old_enough(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, keep_every=10, keep=1, seconds=60)
    assert checkpoints.due()
    checkpoints.save(content(1), best=False)
    now[0] = 159.0
    assert not checkpoints.due()
    now[0] = 160.0
    assert checkpoints.due()
    checkpoints.wait()


def test_none_is_kept_where_none_is_asked_for(tmp_path):
    saved(tmp_path, 1, 2, keep_every=1, keep=0)
    assert names(tmp_path) == {"last.ckpt", "previous.ckpt"}


def test_a_file_system_without_links_gets_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
    saved(tmp_path, 1, 2, best=frozenset({2}), keep_every=2)
    assert {path.name: step_of(path) for path in tmp_path.iterdir()} == {
        "last.ckpt": 2, "previous.ckpt": 1, "best.ckpt": 2, "step-2.ckpt": 2,
    }  # fmt: skip


def test_a_new_experiment_has_none(tmp_path):
    assert Checkpoints(tmp_path, keep_every=1, keep=1).load(CPU) is None


def test_the_newest_is_loaded_in_silence(tmp_path, capsys):
    saved(tmp_path, 1, 2)
    found = Checkpoints(tmp_path, keep_every=1, keep=1).load(CPU)
    assert (found["training"]["step"], found["path"].name) == (2, "last.ckpt")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("damaged", "used", "step"),
    [
        (["last.ckpt"], "previous.ckpt", 4),
        (["last.ckpt", "previous.ckpt"], "step-3.ckpt", 3),
        (["last.ckpt", "previous.ckpt", "step-3.ckpt"], "best.ckpt", 1),
    ],
)
def test_a_damaged_one_falls_back_to_the_one_before_loudly(tmp_path, capsys, damaged, used, step):
    saved(tmp_path, 1, 2, 3, 4, 5, best=frozenset({1}), keep_every=3, keep=1)
    for name in damaged:
        path = tmp_path / name
        half = path.read_bytes()[: path.stat().st_size // 2]
        path.unlink()  # other names may share its bytes
        path.write_bytes(half)
    found = Checkpoints(tmp_path, keep_every=3, keep=1).load(CPU)
    assert found["training"]["step"] == step
    warning = capsys.readouterr().err
    assert all(name in warning for name in damaged)
    assert (
        f"damaged or no checkpoint; give a .ckpt that `sqspeech train` wrote; going on from {used} of step {step}"
        in (warning)
    )


def test_a_missing_last_one_is_said_too(tmp_path, capsys):
    saved(tmp_path, 1, 2)
    (tmp_path / "last.ckpt").unlink()
    assert Checkpoints(tmp_path, keep_every=1, keep=1).load(CPU)["training"]["step"] == 1
    assert "last.ckpt is missing; going on from previous.ckpt of step 1" in capsys.readouterr().err


def test_nothing_is_begun_anew_where_all_are_damaged(tmp_path):
    saved(tmp_path, 1, 2)
    for path in tmp_path.iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(CheckpointError, match=r"last.ckpt: damaged .* no other checkpoint is left, train in another"):
        Checkpoints(tmp_path, keep_every=1, keep=1).load(CPU)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["pathlib.Path.write_bytes", "os.fsync"])
def test_a_full_disk_costs_no_checkpoint(tmp_path, monkeypatch, call):
    checkpoints = saved(tmp_path, 1, 2, best=frozenset({1}))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(call, full)
    checkpoints.save(content(3), best=True)
    with pytest.raises(SqspeechError) as raised:
        checkpoints.wait()
    monkeypatch.undo()
    assert str(raised.value).startswith(str(tmp_path))
    assert str(raised.value).endswith(
        ".ckpt: cannot write (No space left on device); free some space or choose a writable folder; of step 3, the "
        "checkpoint of step 2 is whole; then run the same command again"
    )
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after["last.ckpt"] == before["last.ckpt"]
    assert set(after) == set(before)
    checkpoints.save(content(3), best=True)  # there is space again
    checkpoints.wait()
    assert (step_of(tmp_path / "last.ckpt"), step_of(tmp_path / "best.ckpt")) == (3, 3)


def test_a_failed_write_is_noticed_without_waiting(tmp_path, monkeypatch):
    checkpoints = saved(tmp_path, 1)
    monkeypatch.setattr("os.fsync", full)
    checkpoints.save(content(2), best=False)
    checkpoints._writer.shutdown(wait=True)
    with pytest.raises(SqspeechError, match="step 2, the checkpoint of step 1 is whole"):
        checkpoints.check()


def test_the_training_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    gate, write = threading.Event(), os.fsync
    monkeypatch.setattr("os.fsync", lambda file: (gate.wait(60), write(file)))
    checkpoints = Checkpoints(tmp_path, keep_every=1000, keep=1)
    checkpoints.save(content(1), best=False)
    checkpoints.check()
    assert not (tmp_path / "last.ckpt").exists()  # save has returned, and nothing is under the final name yet
    gate.set()
    checkpoints.wait()
    assert step_of(tmp_path / "last.ckpt") == 1


def test_what_killed_writers_left_is_removed(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / ".tmp-77-last.ckpt").write_bytes(b"half")
    remove_torn(tmp_path)
    assert names(tmp_path) == {"last.ckpt"}
