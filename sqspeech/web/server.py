"""The page, served until it is ended."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from sqspeech.errors import SqspeechError
from sqspeech.web.app import make_app
from sqspeech.web.desk import Desk
from sqspeech.web.jobs import Jobs
from sqspeech.web.orders import Assignment
from sqspeech.web.storage import Storage
from sqspeech.web.worker import Worker

if TYPE_CHECKING:
    import torch

# In seconds, between two looks for what is old.
TIDY = 60.0
LOCAL = ["127.0.0.1", "localhost", "[::1]"]
# Stems that many checkpoints have: their folder's name says more.
USUAL_STEMS = frozenset({"best", "last", "previous", "speech"})


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address to which the page is bound; port 0 is any that is free."""

    host: str
    port: int

    def bind(self) -> socket.socket:
        """Return a socket; raises SqspeechError where the port is taken or forbidden."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((self.host, self.port))
        except OSError as error:
            found.close()
            raise SqspeechError(
                f"{self.host}:{self.port}: cannot be bound ({error.strerror}); choose another with --host or --port"
            ) from None
        return found

    def url(self, bound: socket.socket) -> str:
        """Return the address for a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{bound.getsockname()[1]}/"

    def hosts(self) -> list[str]:
        """Return the names that requests may call it by."""
        return ["*"] if self.host in ("0.0.0.0", "::") else [*LOCAL, self.host, f"[{self.host}]"]  # noqa: S104


def serve(
    checkpoints: Sequence[Path],
    priors: Sequence[Path],
    address: Address,
    storage: Storage,
    find_device: "Callable[[], torch.device]",
    *,
    jobs: int = 1,
    started: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Parameters
    ----------
    checkpoints, priors
        The models.
    address, storage
        Where it listens, and keeps what it is given.
    find_device
        Gives the device of the models in a worker.
    jobs
        How many orders are carried out at once; each worker has the models to itself.
    started
        Is told the address once the page answers.

    Raises
    ------
    SqspeechError
        A model cannot be used, or the address cannot be bound.
    """
    workers = [Worker(find_device) for _ in range(jobs)]
    named = name_files([*checkpoints, *priors])
    with address.bind() as listening:
        about = workers[0].do(Assignment(order=None, folder=storage.root, files=named))
        desk = Desk(named, about, storage, Jobs(workers, lambda text: desk.public(text)))
        desk.load()
        threading.Thread(target=_tidy, args=[desk], daemon=True).start()
        app = make_app(desk, address.hosts())
        config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=1)
        # From here on connections wait until they are accepted.
        listening.listen()
        started(address.url(listening))
        try:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listening])
        finally:
            desk.jobs.end()


def name_files(paths: Sequence[Path]) -> dict[str, Path]:
    """Return checkpoints by short names, each another: of the file or, for such as best.ckpt, of its folder."""
    named, seen = dict[str, Path](), Counter[str]()
    for path in paths:
        usual = path.stem in USUAL_STEMS and path.absolute().parent.name
        name = path.absolute().parent.name if usual else path.stem
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} {seen[name]}"] = path
    return named


def _tidy(desk: Desk) -> None:
    while True:
        desk.tidy()
        time.sleep(TIDY)
