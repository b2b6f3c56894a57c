"""A page that is served, and somebody who uses it without a browser."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import requests

ENDED = {"done", "failed", "stopped"}
# Of an upload, in MB.
LIMIT = 8.0


class Files(NamedTuple):
    """`a` knows f1 and m1, `b` m1 alone; `prior` is of the units of `a`; `talk` is of m1, `long` lasts two minutes."""

    a: Path
    b: Path
    prior: Path
    talk: Path
    long: Path


class Page(NamedTuple):
    url: str
    files: Files
    storage: Path
    pid: int


class Visitor:
    def __init__(self, url: str) -> None:
        self.url, self.http = url, requests.Session()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{self.url}state", timeout=60).json()
        return found

    def upload(self, path: Path) -> str:
        answer = self.http.post(f"{self.url}recordings", params={"name": path.name}, data=path.read_bytes(), timeout=60)
        assert answer.ok, answer.text
        identity: str = answer.json()["id"]
        return identity

    def order(self, **given: Any) -> str:
        answer = self.http.post(f"{self.url}jobs", json=given, timeout=60)
        assert answer.ok, answer.text
        identity: str = answer.json()["id"]
        return identity

    def job(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = next(job for job in self.state()["jobs"] if job["id"] == identity)
        return found

    def wait(self, identity: str, *states: str, seconds: float = 120.0) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while (job := self.job(identity))["state"] not in (states or ENDED):
            assert time.monotonic() < end, job
            assert job["state"] not in ENDED, job
            time.sleep(0.05)
        return job

    def result(self, identity: str) -> dict[str, Any]:
        job = self.wait(identity)
        assert job["state"] == "done", job
        found: dict[str, Any] = self.http.get(f"{self.url}jobs/{identity}", timeout=60).json()
        return found

    def file(self, identity: str, name: str) -> bytes:
        answer = self.http.get(f"{self.url}jobs/{identity}/files/{name}", timeout=60)
        assert answer.ok, answer.text
        return answer.content

    def convert(self, path: Path, **options: Any) -> str:
        return self.order(kind="convert", recording=self.upload(path), **{"models": ["a"], "to": ["f1"], **options})
