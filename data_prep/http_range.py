"""One attempt to get the rest of a file over HTTP, never splicing two versions of it."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from sqspeech.atomic import write_text
from sqspeech.errors import SqspeechError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 18
CONNECT_SECONDS, SILENT_SECONDS = 10.0, 60.0
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, *(s for s in HTTPStatus if s >= 500)}


@dataclass(frozen=True, kw_only=True)
class Source:
    """File to fetch: the address, and the digest (hexadecimal) and size in bytes that the whole file must have."""

    url: str
    sha256: str
    size: int


class InterruptedTransferError(Exception):
    """A failure that the next attempt may not meet; `pause` is how many seconds the server asked to wait."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


def beside(path: Path, suffix: str) -> Path:
    """Return the path of what goes with `path`: its name and `suffix`."""
    return path.with_name(path.name + suffix)


def size_of(path: Path) -> int:
    """Return the size in bytes; 0 where there is no file."""
    return path.stat().st_size if path.exists() else 0


def receive(source: Source, part: Path, progress: Callable[[int], object]) -> None:
    """Make one attempt to append to `part`, which is begun anew when the server does not continue the same file."""
    import requests

    have = size_of(part)
    # Without identity some servers compress, and then offsets count other bytes.
    headers = {"Accept-Encoding": "identity", **_range(part, have)}
    try:
        with requests.get(
            source.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENT_SECONDS)
        ) as response:
            _check_status(source, response, part)
            continued = response.status_code == HTTPStatus.PARTIAL_CONTENT
            if continued:
                _check_continued(source, response, part, have)
            _append(source, response, part, continued, progress)
    except requests.exceptions.SSLError as error:
        raise SqspeechError(
            f"{source.url}: no trusted connection ({_cause(error)}); check the clock, and behind a proxy "
            "set REQUESTS_CA_BUNDLE"
        ) from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise InterruptedTransferError(f"the connection failed ({_cause(error)})") from None
    except requests.RequestException as error:
        raise SqspeechError(f"{source.url}: cannot be fetched ({_cause(error)}); check the address") from None
    if size_of(part) < source.size:
        raise InterruptedTransferError("the server ended before the file did")


def _cause(error: "requests.RequestException") -> str:
    """Return the name of the innermost fault, because the messages repeat each other over several lines."""
    cause = error.args[0] if error.args else error
    return type(getattr(cause, "reason", cause) if isinstance(cause, Exception) else error).__name__


def _range(part: Path, have: int) -> dict[str, str]:
    if not have:
        return {}
    etag = beside(part, ".etag")
    validator = etag.read_text(encoding="utf-8") if etag.exists() else ""
    return {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})


def _validator(response: "requests.Response") -> str:
    etag = response.headers.get("ETag", "")
    # A weak tag promises no equal bytes, and If-Range refuses it.
    return response.headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag


def _check_status(source: Source, response: "requests.Response", part: Path) -> None:
    status = response.status_code
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.unlink(missing_ok=True)
        raise InterruptedTransferError("the server's file is shorter than what has come; beginning anew", 0)
    if status in _TRANSIENT:
        raise InterruptedTransferError(f"HTTP {status} {response.reason}", _retry_after(response))
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise SqspeechError(f"{source.url}: HTTP {status} {response.reason}; try later, or look for where it moved to")
    if status == HTTPStatus.OK:
        _check_whole(source, response)


def _check_whole(source: Source, response: "requests.Response") -> None:
    # Before anything is overwritten: a page that says "maintenance" must not replace gigabytes that have come.
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise SqspeechError(f"{source.url}: a web page came in place of the file; see there what it says")
    length = response.headers.get("Content-Length")
    if length not in (None, str(source.size)):
        raise _other_size(source, length)


def _other_size(source: Source, found: object) -> SqspeechError:
    return SqspeechError(
        f"{source.url}: the server's file has {found} bytes where {source.size} are expected; try later, or look for "
        "where it moved to"
    )


def _retry_after(response: "requests.Response") -> float | None:
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _check_continued(source: Source, response: "requests.Response", part: Path, have: int) -> None:
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if stated and stated[2] not in ("*", str(source.size)):
        raise _other_size(source, stated[2])
    validator = _range(part, have).get("If-Range")
    changed = validator and _validator(response) and validator != _validator(response)
    if changed or not stated or int(stated[1]) != have:
        part.unlink(missing_ok=True)
        raise InterruptedTransferError("the server continues something else; beginning anew", 0)


def _append(
    source: Source, response: "requests.Response", part: Path, continued: bool, progress: Callable[[int], object]
) -> None:
    with part.open("ab" if continued else "wb") as file:
        if not continued:
            write_text(beside(part, ".etag"), _validator(response))
        for chunk in response.iter_content(CHUNK):
            if file.tell() + len(chunk) > source.size:
                raise _other_size(source, f"more than {source.size}")
            file.write(chunk)
            progress(file.tell())
