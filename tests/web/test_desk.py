"""Files that are kept, the turn of orders, and the content of messages."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
import soundfile
from corpus import voice

from sqspeech.errors import SqspeechError
from sqspeech.web.desk import Desk
from sqspeech.web.jobs import DONE, Job, Jobs
from sqspeech.web.orders import Assignment
from sqspeech.web.server import name_files
from sqspeech.web.storage import Storage

ABOUT = {"models": {"m": {"speakers": ["a"]}}, "priors": {}}
ANNA, BEN = "a" * 32, "b" * 32


class FakeWorker:
    """Notes the order of its work, the first of which waits until it is let go."""

    def __init__(self) -> None:
        self.done, self.go = list[str](), threading.Event()

    def do(self, assignment: Assignment, listener: object) -> dict[str, object]:
        self.go.wait(10)
        self.done.append(assignment.folder.name)
        if "bad" in assignment.folder.name:
            raise SqspeechError(f"{assignment.folder.parent}: no")
        return {"file": "x.wav", "inner": [{"picture": "0/y.png"}]}

    def stop(self) -> None: ...


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "root", limit=1000, keep=3600.0)


def add(jobs: Jobs, folder: Path, session: str) -> Job:
    folder.mkdir(parents=True)
    job = Job(id=folder.name, session=session, title="", order={"kind": "convert"})
    jobs.add(job, Assignment(order=None, folder=folder, files={}))
    return job


def wait(job: Job) -> None:
    end = time.monotonic() + 10
    while not job.ended:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_orders_little_does_not_wait_for_all_of_who_orders_much(tmp_path):
    worker = FakeWorker()
    jobs = Jobs([worker], str)
    names = [("anna-1", ANNA), ("anna-2", ANNA), ("anna-3", ANNA), ("ben-1", BEN), ("anna-4", ANNA), ("ben-2", BEN)]
    added = [add(jobs, tmp_path / name, session) for name, session in names]
    assert jobs.ahead(added[5]) == 5
    worker.go.set()
    for job in added:
        wait(job)
    assert worker.done == ["anna-1", "ben-1", "anna-2", "ben-2", "anna-3", "anna-4"]


def test_history_survives_the_end_of_the_page_and_is_removed_with_its_results_when_it_is_old(storage):
    worker = FakeWorker()
    worker.go.set()
    desk = Desk({}, ABOUT, storage, Jobs([worker], str))
    folder = storage.new(ANNA, "jobs")
    folder.rmdir()
    wait(add(desk.jobs, folder, ANNA))
    while not (folder / "job.json").exists():
        time.sleep(0.01)
    again = Desk({}, ABOUT, storage, Jobs([], str))
    again.load()
    (job,) = again.state(ANNA)["jobs"]
    assert (job["id"], job["state"]) == (folder.name, DONE)
    assert again.state(BEN)["jobs"] == []
    again.tidy()
    assert folder.exists()
    os.utime(folder, (0, time.time() - 3601))
    again.tidy()
    assert not folder.exists()
    assert again.state(ANNA)["jobs"] == []


def test_what_is_being_done_is_not_removed_however_old(storage):
    desk = Desk({}, ABOUT, storage, Jobs([FakeWorker()], str))
    folder, recording = storage.new(ANNA, "jobs"), storage.new(ANNA, "recordings")
    folder.rmdir()
    add(desk.jobs, folder, ANNA)
    for path in (folder, recording):
        os.utime(path, (0, 0))
    desk.tidy()
    assert folder.exists()
    assert not recording.exists()


def test_a_message_names_files_as_the_visitor_does(storage):
    desk = Desk({"best": Path("/models/exp/best.ckpt")}, ABOUT, storage, Jobs([], str))
    path = storage.new(ANNA, "recordings") / "talk.wav"
    assert desk.public(f"{path}: empty") == "talk.wav: empty"
    assert desk.public("/models/exp/best.ckpt: damaged") == "best: damaged"
    assert str(storage.root) not in desk.public(f"{storage.root}: cannot write")


def test_an_order_that_fails_leaves_its_sentence_alone(tmp_path):
    worker = FakeWorker()
    worker.go.set()
    job = add(Jobs([worker], lambda text: text.replace(str(tmp_path), "here")), tmp_path / "bad", ANNA)
    wait(job)
    assert job.sentence == "here: no"
    while not (tmp_path / "bad/job.json").exists():
        time.sleep(0.01)
    assert json.loads((tmp_path / "bad/job.json").read_text())["state"] == "failed"


def test_recordings_are_listed_the_last_first(storage):
    for place, name in enumerate(("first", "second")):
        path = storage.new(ANNA, "recordings") / f"{name}.wav"
        soundfile.write(path, voice(120.0, 1, 0.5), 16000)
        os.utime(path, (place, place))
    desk = Desk({}, ABOUT, storage, Jobs([], str))
    assert [(found["name"], found["seconds"]) for found in desk.state(ANNA)["recordings"]] == [
        ("second.wav", 0.5),
        ("first.wav", 0.5),
    ]
    assert desk.state(BEN)["recordings"] == []


def test_models_have_short_names_each_another():
    paths = [Path(name) for name in ("exp/iv/best.ckpt", "exp/vq/best.ckpt", "other/vq/last.ckpt", "me.ckpt")]
    assert list(name_files(paths).items()) == list(zip(["iv", "vq", "vq 2", "me"], paths, strict=True))
