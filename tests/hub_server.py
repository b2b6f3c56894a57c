"""A server that speaks the protocol of the Hugging Face Hub, in a thread, with repositories in memory and faults."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import yaml

TOKEN = "hf_write"
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Repository:
    """Files of each commit by its hash, and all of them by their SHA-256 in `lfs`."""

    def __init__(self, lfs: dict[str, bytes], *, private: bool = False, gated: bool = False) -> None:
        self.lfs, self.private, self.gated = lfs, private, gated
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branches: dict[str, str] = {}
        self.commit({".gitattributes": b"*.ckpt filter=lfs diff=lfs merge=lfs -text\n"})

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        whole = self.commits.get(self.branches.get(branch, ""), {}) | dict(files)
        digest = hashlib.sha1(f"{len(self.commits)} {sorted(whole)}".encode()).hexdigest()
        self.commits[digest], self.branches[branch] = whole, digest
        self.lfs |= {hashlib.sha256(content).hexdigest(): content for content in files.values()}
        return digest

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.branches["main"]]


class Hub:
    """State of the server: repositories by name, requests so far, and faults to come.

    `cut` is the number of bytes after which the next download breaks off; `tampered` replaces a download's first bytes.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.repositories: dict[str, Repository] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.cut: int | None = None
        self.tampered = b""

    def add(self, repo_id: str, files: Mapping[str, bytes], **options: bool) -> Repository:
        repository = self.repositories[repo_id] = Repository(self.lfs, **options)
        repository.commit(files)
        return repository


class Refusal(Exception):  # noqa: N818
    def __init__(self, status: int, code: str = "") -> None:
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}{' ' + r if (r := self.headers.get('Range', '')) else ''}")
        body = self._body()
        try:
            match self.path.split("/")[1]:
                case "api":
                    self._send_json(self._api(body))
                case "lfs":
                    self._large_file(self.path.rpartition("/")[2], body)
                case _ if self.path.endswith("/info/lfs/objects/batch"):
                    self._send_json(self._batch(json.loads(body)))
                case _:
                    self._resolve()
        except Refusal as refusal:
            # Of a repository that is there, the Hub tells where.
            answer = {"error": refusal.code, "url": f"{self.hub.url}/me/speech"}
            self._send_json(answer, refusal.status, {"X-Error-Code": refusal.code})

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, body: bytes, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})

    @property
    def _logged_in(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repository(self, repo_id: str) -> Repository:
        repository = self.hub.repositories.get(repo_id)
        if repository is None or (repository.private and not self._logged_in):
            raise Refusal(404 if self._logged_in else 401, "RepoNotFound")
        if repository.gated and not self._logged_in:
            raise Refusal(403, "GatedRepo")
        return repository

    def _resolve(self) -> None:
        repo_id, revision, name = RESOLVE.fullmatch(self.path).groups()
        repository = self._repository(repo_id)
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            raise Refusal(404, "RevisionNotFound")
        if name not in repository.commits[commit]:
            raise Refusal(404, "EntryNotFound")
        content = repository.commits[commit][name]
        if not name.endswith(".ckpt"):
            etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self._send(content, headers={"ETag": f'"{etag}"', "X-Repo-Commit": commit})
            return
        digest = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        # Large files are on another host, which is not told who asks.
        elsewhere = self.hub.url.replace("127.0.0.1", "localhost")
        self._send(b"", 302, {"Location": f"{elsewhere}/lfs/{digest}", "X-Repo-Commit": commit, **linked})

    def _large_file(self, digest: str, body: bytes) -> None:
        if self.command == "PUT":
            assert hashlib.sha256(body).hexdigest() == digest
            self.hub.lfs[digest] = body
            self._send(b"")
            return
        content = self.hub.tampered + self.hub.lfs[digest][len(self.hub.tampered) :]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if self.hub.cut is None:
            ranged = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if wanted else {}
            self._send(content[start:], 206 if wanted else 200, ranged)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.hub.cut])
        self.hub.cut, self.close_connection = None, True

    def _api(self, body: bytes) -> Any:
        match self.path.partition("?")[0].split("/")[2:]:
            case ["validate-yaml"]:
                given = json.loads(body)["content"]
                assert yaml.safe_load(given.split("---\n")[1])["library_name"]
                return {"errors": [], "warnings": []}
            case ["repos", "create"]:
                return self._create(json.loads(body))
            case ["models", user, name]:
                repository = self._repository(f"{user}/{name}")
                return {"id": f"{user}/{name}", "private": repository.private, "sha": repository.branches["main"]}
            case ["models", user, name, "preupload", _]:
                self._writable(f"{user}/{name}")
                paths = [file["path"] for file in json.loads(body)["files"]]
                modes = ["lfs" if path.endswith(".ckpt") else "regular" for path in paths]
                return {
                    "files": [
                        {"path": path, "uploadMode": mode, "shouldIgnore": False}
                        for path, mode in zip(paths, modes, strict=True)
                    ]
                }
            case ["models", user, name, "commit", branch]:
                return self._commit(f"{user}/{name}", branch, body)
        raise Refusal(404)

    def _create(self, wanted: Mapping[str, Any]) -> Any:
        if not self._logged_in:
            raise Refusal(401)
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        if repo_id in self.hub.repositories:
            raise Refusal(409)
        if wanted["organization"] != "me":
            raise Refusal(403)
        self.hub.add(repo_id, {}, private=wanted.get("visibility") == "private")
        return {"url": f"{self.hub.url}/{repo_id}"}

    def _writable(self, repo_id: str) -> Repository:
        if not self._logged_in:
            raise Refusal(401)
        return self._repository(repo_id)

    def _batch(self, wanted: Mapping[str, Any]) -> Any:
        href = {
            o["oid"]: {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{o['oid']}"}}} for o in wanted["objects"]
        }
        return {"objects": [o | ({} if o["oid"] in self.hub.lfs else href[o["oid"]]) for o in wanted["objects"]]}

    def _commit(self, repo_id: str, branch: str, body: bytes) -> Any:
        repository, files = self._writable(repo_id), {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
        commit = repository.commit(files, branch)
        return {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit}", "commitOid": commit}


@contextmanager
def serving() -> Iterator[Hub]:
    """Yield a hub that answers."""

    class OfThisHub(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), OfThisHub)
    server.daemon_threads = True
    OfThisHub.hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield OfThisHub.hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
