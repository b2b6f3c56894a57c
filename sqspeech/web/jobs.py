"""Orders that wait for a worker, are worked at, or are done."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqspeech.atomic import write_text
from sqspeech.errors import SqspeechError
from sqspeech.web.orders import Assignment
from sqspeech.web.worker import StoppedError, Worker

FILE = "job.json"
WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"


@dataclass(kw_only=True)
class Job:
    """An order of a session and what has become of it.

    Attributes
    ----------
    id, session
        Of the job, and of who ordered it.
    title, order
        As the page shows them.
    state
        `waiting`, `running`, `done`, `failed` or `stopped`.
    step, share
        What is being done, and which part of it is.
    sentence
        Why it failed.
    result
        See `sqspeech.web.work.Work`.
    created, seconds
        The time of the order, and how long the work took.
    """

    id: str
    session: str
    title: str
    order: dict[str, Any]
    state: str = WAITING
    step: str = ""
    share: float = 0.0
    sentence: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return all but the result and the session."""
        return {name: value for name, value in asdict(self).items() if name not in ("result", "session")}

    @property
    def ended(self) -> bool:
        """True where nothing more will become of it."""
        return self.state in (DONE, FAILED, STOPPED)


class Jobs:
    """All jobs, and the workers that take those that wait: from each session in turn.

    Parameters
    ----------
    workers
        Each has a thread here that waits for it.
    public
        Makes a message one for the page.
    """

    def __init__(self, workers: Sequence[Worker], public: Callable[[str], str]) -> None:
        self._workers, self._public = workers, public
        self._jobs = dict[str, Job]()
        self._waiting = dict[str, Assignment]()
        self._running = dict[str, Worker]()
        self._served = dict[str, float]()
        self._ready = threading.Condition()
        for worker in workers:
            threading.Thread(target=self._take_turns, args=[worker], daemon=True).start()

    def load(self, files: Iterator[Path]) -> None:
        """Add the jobs of an earlier run."""
        for path in files:
            try:
                job = Job(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue  # another version's, or damaged
            self._jobs[job.id] = job

    def add(self, job: Job, assignment: Assignment) -> None:
        """Let a job wait for its turn."""
        with self._ready:
            self._jobs[job.id], self._waiting[job.id] = job, assignment
            self._ready.notify()

    def of(self, session: str) -> list[Job]:
        """Return the jobs of a session, the last first."""
        with self._ready:
            return [job for job in reversed(self._jobs.values()) if job.session == session]

    def find(self, name: str) -> Job | None:
        """Return the job of an id."""
        return self._jobs.get(name)

    def ahead(self, job: Job) -> int:
        """Return how many orders are before a job that waits, at most."""
        with self._ready:
            return [*self._running, *self._waiting].index(job.id) if job.id in self._waiting else 0

    def stop(self, job: Job) -> None:
        """Stop a job, if it has not ended."""
        with self._ready:
            if self._waiting.pop(job.id, None):
                job.state = STOPPED
            elif worker := self._running.get(job.id):
                worker.stop()

    def forget(self, job: Job) -> None:
        """Drop a job, which is stopped if it has not ended."""
        self.stop(job)
        with self._ready:
            self._jobs.pop(job.id, None)

    def end(self) -> None:
        """Stop all workers."""
        with self._ready:
            self._waiting.clear()
            for worker in self._workers:
                worker.stop()

    def _take_turns(self, worker: Worker) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._waiting)
                jobs = [self._jobs[name] for name in self._waiting]
                job = min(jobs, key=lambda job: self._served.get(job.session, 0.0))
                assignment = self._waiting.pop(job.id)
                self._running[job.id], self._served[job.session] = worker, time.monotonic()
                job.state = RUNNING
            self._do(worker, job, assignment)

    def _do(self, worker: Worker, job: Job, assignment: Assignment) -> None:
        def listen(step: str, done: float, total: float) -> None:
            job.step, job.share = step, min(1.0, done / total)

        begun, state = time.monotonic(), DONE
        try:
            job.result = worker.do(assignment, listen)
        except StoppedError:
            state = STOPPED
        except SqspeechError as error:
            state, job.sentence = FAILED, self._public(str(error))
        with self._ready:
            job.seconds = time.monotonic() - begun
            del self._running[job.id]
            job.state = state
        if state != DONE:
            shutil.rmtree(assignment.folder, ignore_errors=True)
        if job.id in self._jobs:
            _keep(job, assignment.folder)


def _keep(job: Job, folder: Path) -> None:
    try:
        write_text(folder / FILE, json.dumps(asdict(job)))
    except SqspeechError as error:
        job.sentence = job.sentence or f"not in the history after a restart: {error.args[0].rpartition('; ')[2]}"
