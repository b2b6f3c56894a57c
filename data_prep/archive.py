"""Unpack a zip or tar archive without trusting it.

Members are written here rather than by `shutil.unpack_archive` or `extractall`. Those write `../x` of a zip archive
as `x` instead of refusing it, refuse a bad member of a tar archive only after writing those before it, leave a file
half written when stopped, begin again from the first member, and make links. Here everything is checked before
anything is written, each file is whole or absent, and a link becomes a copy.
"""

import lzma
import posixpath
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sqspeech.atomic import atomic_path
from sqspeech.errors import DataError
from sqspeech.progress import progress_bar, track

CHUNK = 1 << 20
LONGEST_LINK = 4096
SUFFIXES = re.compile(r"(\.tar)?\.(gz|bz2|xz)$|\.(tgz|tbz2|txz|tar|zip)$", re.IGNORECASE)
_ENCRYPTED = 0x1
_ZIP_MEMBER = b"PK\1\2"
# RuntimeError and NotImplementedError are zipfile's for a cipher and a compression it does not know.
_UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Member:
    """A member as its archive lists it; `link` is what it links to, counted from the archive's top."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    is_folder: bool = False
    link: str | None = None


def folder_beside(archive: Path) -> Path:
    """Return the folder beside `archive` that is named as it is, without .zip, .tar.gz and the like."""
    return archive.with_name(SUFFIXES.sub("", archive.name))


def extract(archive: Path, target: Path) -> Path:
    """Unpack `archive` into the folder `target` and return `target`.

    A member that `target` already holds with its size is not written again, so that a stopped extraction can be
    continued. A link to a file of the archive becomes a copy of that file. macOS's own files (`__MACOSX`, `._*`,
    `.DS_Store`) and empty folders are left out.

    Raises
    ------
    DataError
        The archive is missing, damaged, encrypted or empty, or needs more space than the disk has; or a member would
        leave `target`, links to what is no file of the archive, or is a device. Only damage inside a member can be
        found after files were written.
    SqspeechError
        `target` cannot be written.
    """
    with _entries(archive) as entries:
        files = _files(archive, entries)
        missing = {path: entry for path, entry in files.items() if not _is_whole(target / path, entry.size)}
        _check_space(archive, target, sum(entry.size for entry in missing.values()))
        for path, entry in track(missing.items(), f"extract {archive.name}", len(missing)):
            with atomic_path(target / path) as temporary:
                _write(archive, entry, temporary)
    return target


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{archive}: cannot be read ({reason}); it is damaged or incomplete, fetch it again") from error


@contextmanager
def _entries(archive: Path) -> Iterator[list[_Member]]:
    if not archive.is_file():
        raise DataError(f"{archive}: no such archive; check the path")
    with ExitStack() as stack:
        with _reading(archive):
            entries = _list(archive, stack)
        yield entries


def _list(archive: Path, stack: ExitStack) -> list[_Member]:
    # In this order, because an uncompressed tar archive whose last member is a zip archive passes for one.
    if tarfile.is_tarfile(archive):
        return _list_tar(archive, stack.enter_context(tarfile.open(archive)))
    if zipfile.is_zipfile(archive):
        zipped = stack.enter_context(zipfile.ZipFile(archive))
        # A damaged length makes a member's comment swallow the members after it.
        if any(_ZIP_MEMBER in info.comment + info.extra for info in zipped.infolist()):
            raise zipfile.BadZipFile("a damaged list of members")
        return [_zip_entry(archive, zipped, info) for info in zipped.infolist()]
    raise DataError(f"{archive}: no zip or tar archive, or its end is missing; fetch it again")


def _zip_entry(archive: Path, zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    # zipfile cuts a name at a null byte; the name as it stands is the one to judge.
    name = info.orig_filename
    # Archives made on Windows have no file type.
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise _refused(archive, name, "is a device or the like")
    if info.flag_bits & _ENCRYPTED:
        raise DataError(f"{archive}: encrypted; unpack it yourself with its password and give the folder")
    link = None
    if kind == stat.S_IFLNK:
        with zipped.open(info) as stream:
            link = posixpath.join(posixpath.dirname(name), stream.read(LONGEST_LINK).decode())
    return _Member(name=name, size=info.file_size, open=lambda: zipped.open(info), is_folder=info.is_dir(), link=link)


def _list_tar(archive: Path, tar: tarfile.TarFile) -> list[_Member]:
    entries = []
    # A compressed archive tells neither its length nor its members before it has been read through.
    with progress_bar() as bar:
        task = bar.add_task(f"list {archive.name}", total=None, status="")
        for info in tar:
            entries.append(_tar_entry(archive, tar, info))
            bar.advance(task)
        _check_rest(tar)
    return entries


def _tar_entry(archive: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    def open_member() -> IO[bytes]:
        stream = tar.extractfile(info)
        assert stream is not None, "a regular file has contents"
        return stream

    link = None
    if info.islnk():
        link = info.linkname
    elif info.issym():
        link = posixpath.join(posixpath.dirname(info.name), info.linkname)
    elif not (info.isreg() or info.isdir()):
        raise _refused(archive, info.name, "is a device or the like")
    return _Member(name=info.name, size=info.size, open=open_member, is_folder=info.isdir(), link=link)


def _check_rest(tar: tarfile.TarFile) -> None:
    """Read on to the end: tarfile takes a damaged or missing header for it, and gzip's checksum stands last."""
    assert tar.fileobj is not None
    if tar.fileobj.tell() < tar.offset + tarfile.BLOCKSIZE:
        raise tarfile.ReadError("no end-of-archive marker")
    while chunk := tar.fileobj.read(CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a damaged member")


def _files(archive: Path, entries: Iterable[_Member]) -> dict[PurePosixPath, _Member]:
    """Return the files to write by their path in the target; a later member replaces an earlier one of its name."""
    by_path: dict[PurePosixPath, _Member] = {}
    for entry in entries:
        path = _inner_path(entry.name)
        if path is None:
            raise _refused(archive, entry.name, "would be written outside the target folder")
        if not entry.is_folder:
            by_path[path] = entry
    files = {path: _followed(archive, entry, by_path) for path, entry in by_path.items()}
    files = {path: entry for path, entry in files.items() if not _is_litter(path)}
    if not files:
        raise DataError(f"{archive}: there is no file in it; fetch it again")
    return files


def _inner_path(name: str) -> PurePosixPath | None:
    """Return the normalised path of `name`, or None where it leaves the folder on one system or another."""
    path = posixpath.normpath(name)
    unsafe = not name or "\\" in name or "\0" in name or path.startswith("/") or re.match("[A-Za-z]:", path)
    return None if unsafe or path.split("/")[0] == ".." else PurePosixPath(path)


def _followed(archive: Path, entry: _Member, by_path: dict[PurePosixPath, _Member]) -> _Member:
    if entry.link is None:
        return entry
    path = _inner_path(entry.link)
    linked = by_path.get(path) if path else None
    if linked is None or linked.link is not None:
        raise _refused(archive, entry.name, f"links to {entry.link!r}, which is no file of the archive")
    return linked


def _refused(archive: Path, member: str, reason: str) -> DataError:
    return DataError(
        f"{archive}: member {member!r} {reason}; nothing was unpacked, fetch the archive from its publisher"
    )


def _is_litter(path: PurePosixPath) -> bool:
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name == ".DS_Store"


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _check_space(archive: Path, target: Path, needed: int) -> None:
    existing = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DataError(
            f"{archive}: unpacking needs {needed / 1e9:.2f} GB and {existing} has {free / 1e9:.2f} GB free; "
            "free some space or unpack to another disk"
        )


def _write(archive: Path, entry: _Member, path: Path) -> None:
    with path.open("wb") as file:
        for chunk in _chunks(archive, entry):
            file.write(chunk)
        if file.tell() != entry.size:
            raise DataError(f"{archive}: member {entry.name!r} ends too early; the archive is damaged, fetch it again")


def _chunks(archive: Path, entry: _Member) -> Iterator[bytes]:
    # Apart from the writing, so that a fault of the archive is not taken for a full disk.
    with _reading(archive), entry.open() as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
