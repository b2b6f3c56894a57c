"""Folder of recordings and results, apart for each session, from which what is old is removed."""

import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

from sqspeech import audio
from sqspeech.errors import DataError, cannot_write
from sqspeech.names import file_name

type Kind = Literal["recordings", "jobs"]

NAME = re.compile("[0-9a-f]{32}")


class Storage:
    """Files as `root`/<session>/recordings/<id>/<name> and `root`/<session>/jobs/<id>/; nobody can guess an id.

    Parameters
    ----------
    root
        The folder.
    limit
        Of an upload, in bytes.
    keep
        In seconds: what is older is removed.
    """

    def __init__(self, root: Path, limit: int, keep: float) -> None:
        self.root, self.limit, self.keep = root.absolute(), limit, keep
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(root, error) from None

    def session(self, given: str | None) -> str:
        """Return the session of a cookie, or a new one."""
        return given if given and NAME.fullmatch(given) else secrets.token_hex(16)

    def new(self, session: str, kind: Kind) -> Path:
        """Make a folder; its name is the id."""
        folder = self.root / session / kind / secrets.token_hex(16)
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        return folder

    def folder(self, session: str, kind: Kind, name: str) -> Path:
        """Return the folder of an id; raises DataError where the session has none."""
        folder = self.root / session / kind / name
        if not NAME.fullmatch(name) or not folder.is_dir():
            raise DataError("not there any more; record or drop it again")
        return folder

    def recordings(self, session: str) -> list[Path]:
        """Return the recordings of a session, the last first."""
        found = [path for path in (self.root / session / "recordings").glob("*/*") if not path.name.startswith(".")]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)

    def recording(self, session: str, name: str) -> Path:
        """Return the file of a recording; raises DataError where there is none."""
        path = next(self.folder(session, "recordings", name).iterdir(), None)
        if path is None:
            raise DataError("not there any more; record or drop it again")
        return path

    async def receive(self, session: str, name: str, chunks: AsyncIterator[bytes]) -> Path:
        """Write an upload, and return its path; nothing is left of one that cannot be used.

        Raises
        ------
        DataError
            It is larger than the limit, or no audio.
        SqspeechError
            The disk is full.
        """
        path = self.new(session, "recordings") / file_name(Path(name).name or "recording", longest=200)
        size = 0
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.limit:
                        raise DataError(f"{path.name}: more than {self.limit / 1e6:g} MB; convert it in parts")
                    file.write(chunk)
            audio.probe(path)
        except BaseException as error:
            self.remove(path.parent)
            raise cannot_write(path.name, error) if isinstance(error, OSError) else error from None
        return path

    def remove(self, folder: Path) -> None:
        """Remove the folder of a recording or a job."""
        shutil.rmtree(folder, ignore_errors=True)

    def old(self) -> list[Path]:
        """Return the folders of recordings and jobs that are older than what is kept."""
        before = time.time() - self.keep
        return [folder for folder in self._folders() if folder.stat().st_mtime < before]

    def job_files(self, name: str) -> Iterator[Path]:
        """Return the files of a name in the folders of jobs, the oldest first."""
        found = [path for path in self.root.glob(f"*/jobs/*/{name}") if NAME.fullmatch(path.parent.name)]
        return iter(sorted(found, key=lambda path: path.stat().st_mtime))

    def public(self, text: str) -> str:
        """Return a message without the paths of this machine."""
        inside = re.escape(str(self.root)) + r"/[0-9a-f]{32}/[a-z]+/[0-9a-f]{32}/"
        return re.sub(inside, "", text).replace(str(self.root), "the folder of the page")

    def _folders(self) -> list[Path]:
        return [path for path in self.root.glob("*/*/*") if NAME.fullmatch(path.name) and path.is_dir()]
