"""A session of the page: its models, recordings and jobs."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.web.jobs import DONE, FILE, Job, Jobs
from sqspeech.web.orders import Assignment, EnrolmentOrder, GenerationOrder, Order, parse_order
from sqspeech.web.storage import Storage

type Json = dict[str, Any]

# Of a job's results: the keys that name files.
FILE_KEYS = frozenset({"file", "picture", "table", "runs"})


class Desk:
    """Models, recordings and jobs, of which a session gets its own.

    Parameters
    ----------
    files
        The path of each model and prior, by the name that the page shows.
    about
        See `Work`: a description of each.
    storage, jobs
        The recordings and results, and the orders.
    """

    def __init__(self, files: Mapping[str, Path], about: Json, storage: Storage, jobs: Jobs) -> None:
        self.files, self.about, self.storage, self.jobs = dict(files), about, storage, jobs

    def state(self, session: str) -> Json:
        """Return all that the page shows, but the results."""
        jobs = self.jobs.of(session)
        return {
            "models": [*self._own_models(), *self._enrolled(jobs)],
            "priors": [{"id": name, "models": models} for name, models in self.about["priors"].items()],
            "limit": self.storage.limit,
            "keep": self.storage.keep,
            "recordings": [self.describe_recording(path) for path in self.storage.recordings(session)],
            "jobs": [job.summary() | {"ahead": self.jobs.ahead(job)} for job in jobs],
        }

    def describe_recording(self, path: Path) -> Json:
        """Return the id, the name and the length of a recording."""
        return {"id": path.parent.name, "name": path.name, "seconds": _seconds(path)}

    def order(self, session: str, text: bytes) -> Job:
        """Let an order wait for its turn; raises DataError where it cannot be carried out."""
        order = parse_order(text)
        paths = {name: self.storage.recording(session, name) for name in order.recordings}
        files = paths | {name: self._model(session, name) for name in order.models}
        folder = self.storage.new(session, "jobs")
        named = {
            "model_names": [self._name(session, name) for name in order.models],
            "base": self._base(session, order.models[0]),
        }
        job = Job(id=folder.name, session=session, title=_title(order, paths), order=asdict(order) | named)
        self.jobs.add(job, Assignment(order=order, folder=folder, files=files))
        return job

    def job(self, session: str, name: str) -> Job:
        """Return a job of a session; raises DataError where it has none of this id."""
        job = self.jobs.find(name)
        if job is None or job.session != session:
            raise DataError("not there any more; order it again")
        return job

    def result(self, session: str, job_id: str, name: str) -> Path:
        """Return a file of a job's results: one that they name, and no other."""
        job = self.job(session, job_id)
        if name not in _named(job.result):
            raise DataError("no such file among the results")
        return self.storage.folder(session, "jobs", job_id) / name

    def forget(self, job: Job) -> None:
        """Stop a job and remove its results."""
        self.jobs.forget(job)
        self.storage.remove(self.storage.root / job.session / "jobs" / job.id)

    def tidy(self) -> None:
        """Remove what is older than the storage keeps, except for what is still being done."""
        for folder in self.storage.old():
            job = self.jobs.find(folder.name)
            if job and not job.ended:
                continue
            if job:
                self.jobs.forget(job)
            self.storage.remove(folder)

    def public(self, text: str) -> str:
        """Return a message without the paths of this machine."""
        for name, path in self.files.items():
            text = text.replace(str(path), name)
        return self.storage.public(text)

    def load(self) -> None:
        """Add the jobs of earlier runs to the history."""
        self.jobs.load(self.storage.job_files(FILE))

    def _own_models(self) -> list[Json]:
        return [{"id": name, "name": name, **about} for name, about in self.about["models"].items()]

    def _enrolled(self, jobs: list[Job]) -> list[Json]:
        return [
            {"id": job.id, "name": _enrolled_name(job), "base": job.order["base"], **job.result["model"]}
            for job in jobs
            if job.state == DONE and job.order["kind"] == "enroll"
        ]

    def _model(self, session: str, name: str) -> Path:
        if name in self.files:
            return self.files[name]
        return self.result(session, name, str(self.job(session, name).result.get("file")))

    def _name(self, session: str, name: str) -> str:
        return name if name in self.files else _enrolled_name(self.job(session, name))

    def _base(self, session: str, name: str) -> str:
        """Return the model that the page was started with, of which another was made by adding speakers."""
        return name if name in self.files else str(self.job(session, name).order["base"])


def _enrolled_name(job: Job) -> str:
    return f"{job.order['model_names'][0]} + {job.order['name']}"


@lru_cache(1000)
def _seconds(path: Path) -> float:
    return audio.probe(path).seconds


def _title(order: Order, paths: Mapping[str, Path]) -> str:
    names = ", ".join(path.stem for path in paths.values())
    match order:
        case EnrolmentOrder():
            return f"new voice {order.name}"
        case GenerationOrder():
            return f"{names} continued" if names else "samples"
        case _:
            return names


def _named(result: Any) -> set[str]:
    """Return the names of all files in a result."""
    if isinstance(result, list):
        return {name for item in result for name in _named(item)}
    if not isinstance(result, dict):
        return set()
    own = {value for key, value in result.items() if key in FILE_KEYS and isinstance(value, str)}
    return own | {name for value in result.values() for name in _named(value)}
