import hashlib
import http.server
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from data_prep import http_range, transfer
from data_prep.http_range import Source
from data_prep.transfer import fetch
from sqspeech.errors import SqspeechError

CONTENT = random.Random(0).randbytes(3_000_000)
PROGRAM = """
import sys
from pathlib import Path
from data_prep.http_range import Source
from data_prep.transfer import fetch
fetch(Source(url=sys.argv[1], sha256=sys.argv[2], size=int(sys.argv[3])), Path(sys.argv[4]))
"""


@dataclass
class Reply:
    """Answer to one request: by default what it asks for."""

    status: int | None = None
    headers: dict = field(default_factory=dict)
    break_after: int | None = None
    stall: bool = False
    ranges: bool = True
    length: bool = True


@dataclass
class Server:
    content: bytes = CONTENT
    etag: str = '"one"'
    honours_if_range: bool = True
    replies: deque = field(default_factory=deque)
    asked: list = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def source(self, content=CONTENT):
        return Source(url=self.url, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def answer(handler, server):
    reply = server.replies.popleft() if server.replies else Reply()
    wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
    server.asked.append(wanted)
    current = condition in (None, server.etag) or not server.honours_if_range
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and reply.ranges and current else 0
    status = reply.status or (206 if start else 200)
    body = server.content[start:] if status < 300 else b"sorry"
    handler.send_response(status)
    if reply.length:
        handler.send_header("Content-Length", str(len(body)))
    if status == 206:
        handler.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
    for name, value in {"ETag": server.etag, **reply.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: reply.break_after])
    if reply.stall:
        server.released.wait(60)


@pytest.fixture
def server(monkeypatch):
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, state)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        # A client that hangs up is part of the tests.
        web.handle_error = lambda *_: None
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{web.server_port}/corpus.zip"
        yield state
        state.released.set()
        web.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "corpus.zip"


@pytest.fixture
def part(path):
    return path.with_name("corpus.zip.part")


def fails(source, path, match):
    waits = []
    with pytest.raises(SqspeechError, match=match) as error:
        fetch(source, path, waits.append)
    assert "\n" not in str(error.value)
    assert not path.exists()
    return waits


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_verified_file_is_not_fetched_or_hashed_again(server, path, monkeypatch):
    fetch(server.source(), path)
    assert path.read_bytes() == CONTENT
    assert names(path) == ["corpus.zip", "corpus.zip.lock", "corpus.zip.sha256"]
    monkeypatch.setattr(transfer, "_digest", None)
    fetch(server.source(), path)
    assert server.asked == [None]


def test_a_changed_file_is_hashed_again_and_never_removed(server, path):
    fetch(server.source(), path)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(SqspeechError, match=r"corpus.zip: SHA-256 \w{64} where \w{64} is expected; remove it and run"):
        fetch(server.source(), path)
    assert path.read_bytes() == CONTENT[::-1]
    path.write_bytes(CONTENT)
    fetch(server.source(), path)
    assert server.asked == [None]


def test_a_copy_put_there_by_hand_is_verified_not_fetched(server, path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    fetch(server.source(), path)
    assert server.asked == []


def test_each_attempt_asks_for_the_rest_only(server, path):
    server.replies.extend([Reply(break_after=n) for n in (1_000_000, 0, 700_000)])
    waits = []
    fetch(server.source(), path, waits.append)
    assert path.read_bytes() == CONTENT
    starts = [0 if asked is None else int(asked[6:-1]) for asked in server.asked]
    assert starts[0] == 0
    assert 0 < starts[1] <= 1_000_000
    assert starts[2] == starts[1]
    assert starts[2] < starts[3] <= starts[2] + 700_000
    assert waits == [1, 2, 1]


def test_a_server_without_ranges_begins_anew(server, path):
    server.replies.extend([Reply(break_after=2_000_000), Reply(ranges=False)])
    fetch(server.source(), path, lambda _: None)
    assert path.read_bytes() == CONTENT
    assert server.asked[1].startswith("bytes=")


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, path, part):
    server.replies.extend([Reply(break_after=2_000_000, ranges=False)] * 20)
    waits = fails(server.source(), path, r"ConnectionError|ProtocolError|IncompleteRead")
    assert waits == [1, 2, 4, 8, 16, 32]
    assert part.exists()


def test_giving_up_keeps_what_has_come_and_says_so(server, path, part):
    server.replies.extend([Reply(break_after=1_000_000), *[Reply(break_after=0)] * 6])
    fails(server.source(), path, r"6 times in a row; \d+ of 3000000 bytes are in .*\.part; run the command again")
    kept = part.stat().st_size
    server.asked.clear()
    fetch(server.source(), path)
    assert server.asked == [f"bytes={kept}-"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changes_between_attempts_is_not_spliced(server, path, part, honours_if_range):
    server.honours_if_range = honours_if_range
    old, server.content = server.content, CONTENT[::-1]
    server.replies.extend([Reply(break_after=2_000_000), *[Reply(status=503)] * 6])
    fails(server.source(), path, "HTTP 503")
    assert part.stat().st_size > 0
    server.content, server.etag = old, '"two"'
    fetch(server.source(), path, lambda _: None)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == (server.asked[-2] if honours_if_range else None)


def test_a_range_that_starts_elsewhere_begins_anew(server, path):
    server.replies.extend([Reply(break_after=2_000_000), Reply(ranges=False, status=206)])
    fetch(server.source(), path, lambda _: None)
    assert path.read_bytes() == CONTENT
    assert server.asked[2] is None


def test_what_is_longer_than_the_servers_file_begins_anew(server, path):
    server.replies.extend([Reply(break_after=2_000_000), Reply(status=416)])
    waits = []
    fetch(server.source(), path, waits.append)
    assert path.read_bytes() == CONTENT
    assert server.asked[2] is None
    assert waits == [1, 0]


def test_a_part_longer_than_the_file_begins_anew(server, path, part):
    path.parent.mkdir()
    part.write_bytes(bytes(len(CONTENT) + 1))
    fetch(server.source(), path)
    assert path.read_bytes() == CONTENT


def test_another_size_is_refused_before_anything_is_overwritten(server, path, part):
    server.replies.extend([Reply(break_after=2_000_000), *[Reply(break_after=0)] * 6])
    fails(server.source(), path, "run the command again")
    kept = part.read_bytes()
    server.content, server.etag = b"<html>maintenance</html>", '"page"'
    fails(server.source(), path, "has 24 bytes where 3000000 are expected")
    server.content, server.honours_if_range = CONTENT + b"more", False
    fails(server.source(), path, "has 3000004 bytes where 3000000 are expected")
    server.replies.append(Reply(headers={"Content-Type": "text/html; charset=utf-8"}, length=False, ranges=False))
    fails(server.source(), path, "a web page came in place of the file")
    assert part.read_bytes() == kept


@pytest.mark.parametrize(
    ("n_bytes", "match"), [(-1000, "ended before the file did"), (7, "has more than 3000000 bytes")]
)
def test_another_size_that_is_not_announced_is_noticed(server, path, n_bytes, match):
    server.content = (CONTENT + bytes(7))[: len(CONTENT) + n_bytes]
    server.replies.extend([Reply(length=False, ranges=False)] * 20)
    fails(server.source(), path, match)


def test_a_wrong_file_is_removed_and_both_digests_are_named(server, path):
    wrong = CONTENT[::-1]
    server.content = wrong
    source = server.source()
    fails(source, path, f"SHA-256 {hashlib.sha256(wrong).hexdigest()} where {source.sha256} is expected; it is removed")
    assert names(path) == ["corpus.zip.lock"]
    server.content = CONTENT
    fetch(source, path)
    assert path.read_bytes() == CONTENT


def test_the_server_says_how_long_to_wait(server, path, monkeypatch):
    now = 1_700_000_000
    monkeypatch.setattr(http_range.time, "time", lambda: now)
    values = ["7", "Tue, 14 Nov 2023 22:13:30 GMT", "9000000", "soon"]
    server.replies.extend([Reply(status=status) for status in (503, 429, 503, 500)])
    for reply, value in zip(server.replies, values, strict=True):
        reply.headers = {"Retry-After": value}
    waits = []
    fetch(server.source(), path, waits.append)
    assert waits == [7, 10, transfer.LONGEST_WAIT, 16]


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (403, "Forbidden"), (204, "No Content")])
def test_a_refusal_is_not_tried_again(server, path, status, words):
    server.replies.append(Reply(status=status))
    assert fails(server.source(), path, f"{server.url}: HTTP {status} {words}") == []
    assert len(server.asked) == 1


def test_a_server_that_is_silent_is_tried_again(server, path, monkeypatch):
    monkeypatch.setattr(http_range, "SILENT_SECONDS", 0.2)
    server.replies.append(Reply(break_after=1_000_000, stall=True))
    fetch(server.source(), path, lambda _: None)
    assert path.read_bytes() == CONTENT


def test_no_server_is_given_up(path):
    source = Source(url="http://127.0.0.1:9/corpus.zip", sha256="", size=10)
    assert len(fails(source, path, r"the connection failed \(NewConnectionError\), 6 times in a row")) == 5


def test_no_address_is_one_line(path):
    assert fails(Source(url="corpus.zip", sha256="", size=10), path, r"cannot be fetched \(MissingSchema\)") == []


@pytest.mark.parametrize(("free", "enough"), [(2_000_000, False), (3_000_000, True)])
def test_space_is_checked_first(server, path, monkeypatch, free, enough):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    if enough:
        fetch(server.source(), path)
    else:
        fails(server.source(), path, r"0\.00 GB of the 0\.00 GB still to fetch have no space.*--cache")
        assert server.asked == []


def test_only_the_rest_needs_space(server, path, part, monkeypatch):
    path.parent.mkdir()
    part.write_bytes(CONTENT[:2_000_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    fetch(server.source(), path)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["bytes=2000000-"]


def test_a_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SqspeechError, match=r"corpus.zip: cannot write \(.*; .*--cache"):
        fetch(server.source(), tmp_path / "file" / "corpus.zip")


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_midway_is_continued_by_the_next(server, path, part, stop):
    server.replies.append(Reply(break_after=2_000_000, stall=True))
    source = server.source()
    command = [sys.executable, "-c", PROGRAM, source.url, source.sha256, str(source.size), str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size > 1_000_000):
            time.sleep(0.01)
        fails(replace(source), path, "another run is writing here")
        process.send_signal(stop)
    assert process.returncode == -stop
    kept = part.stat().st_size
    assert part.read_bytes() == CONTENT[:kept]
    fetch(source, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]
