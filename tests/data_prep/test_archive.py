import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple

import numpy as np
import pytest

from data_prep import archive
from sqspeech.errors import DataError, SqspeechError

FILES = {f"top/speaker{n % 3}/file{n}.bin": np.random.default_rng(n).bytes(500 * n) for n in range(8)}
SIZES = {name: len(data) for name, data in FILES.items()}
LITTER = ("__MACOSX/top/._file0.bin", "top/._file0.bin", "top/.DS_Store")
KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, contents in members.items():
            info = zipfile.ZipInfo(name)
            mode, data = contents if isinstance(contents, tuple) else (stat.S_IFREG | 0o644, contents)
            info.external_attr = mode << 16
            zipped.writestr(info, data)
    return path


def write_tar(path, members):
    with tarfile.open(path, "w:" + (path.suffix[1:] if path.suffix != ".tar" else "")) as tar:
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(contents, tuple):
                info.type, info.linkname = contents
                tar.addfile(info)
            else:
                info.size = len(contents)
                tar.addfile(info, io.BytesIO(contents))
    return path


def write(path, members):
    return (write_zip if path.suffix == ".zip" else write_tar)(path, members)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=KINDS)
def good(request, tmp_path):
    return write(tmp_path / f"corpus-1.0.{request.param}", FILES | dict.fromkeys(LITTER, b"litter"))


def test_files_come_out_as_they_went_in_without_litter(good, tmp_path):
    target = tmp_path / "out"
    assert archive.extract(good, target) == target
    assert contents(target) == FILES


def test_the_folder_beside_is_named_as_the_archive(good, tmp_path):
    assert archive.folder_beside(good) == tmp_path / "corpus-1.0"


def test_a_stopped_extraction_goes_on(good, tmp_path, monkeypatch):
    target, original, written = tmp_path / "out", archive._write, []

    def stop_at_the_fourth(source, entry, path):
        if len(written) == 3:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(entry.name)
        original(source, entry, path)

    monkeypatch.setattr(archive, "_write", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        archive.extract(good, target)
    assert contents(target).keys() == set(written)
    monkeypatch.setattr(archive, "_write", original)
    (target / written[2]).write_bytes(b"another size, and longer than nothing")
    inodes = {name: (target / name).stat().st_ino for name in written[:2]}
    archive.extract(good, target)
    assert contents(target) == FILES
    assert {name: (target / name).stat().st_ino for name in inodes} == inodes


ABSOLUTE = "/tmp/sqspeech-evil"
NAMES = (ABSOLUTE, "../evil", "top/../../evil", "C:/evil", "c:evil", "top\\..\\..\\evil", "..", "../evil/")
TAR_MEMBERS = {
    "absolute symbolic link": ("evil", (tarfile.SYMTYPE, "/etc/passwd")),
    "climbing symbolic link": ("top/evil", (tarfile.SYMTYPE, "../../secret")),
    "hard link outside": ("top/evil", (tarfile.LNKTYPE, "../secret")),
    "absolute hard link": ("evil", (tarfile.LNKTYPE, "/etc/passwd")),
    "link to a folder": ("evil", (tarfile.SYMTYPE, "top")),
    "link to itself": ("evil", (tarfile.SYMTYPE, "evil")),
    "link in litter": ("__MACOSX/evil", (tarfile.SYMTYPE, "../../secret")),
    "character device": ("evil", (tarfile.CHRTYPE, "")),
    "block device": ("evil", (tarfile.BLKTYPE, "")),
    "pipe": ("evil", (tarfile.FIFOTYPE, "")),
}
ZIP_MEMBERS = {
    "absolute symbolic link": ("evil", (stat.S_IFLNK | 0o777, b"/etc/passwd")),
    "climbing symbolic link": ("top/evil", (stat.S_IFLNK | 0o777, b"../../secret")),
    "drive behind a link": ("top/evil", (stat.S_IFLNK | 0o777, b"C:\\secret")),
    "character device": ("evil", (stat.S_IFCHR | 0o600, b"")),
    "pipe": ("evil", (stat.S_IFIFO | 0o600, b"")),
}
MALICIOUS = [
    *(pytest.param(kind, name, b"evil", id=f"{kind} {name}") for kind in ("zip", "tar.gz") for name in NAMES),
    *(pytest.param("tar.gz", *member, id=f"tar.gz {name}") for name, member in TAR_MEMBERS.items()),
    *(pytest.param("zip", *member, id=f"zip {name}") for name, member in ZIP_MEMBERS.items()),
]


@pytest.mark.parametrize(("kind", "name", "member"), MALICIOUS)
def test_a_malicious_member_is_refused_by_name_before_anything_is_written(tmp_path, kind, name, member):
    (tmp_path / "secret").write_bytes(b"secret")
    bad = write(tmp_path / f"bad.{kind}", FILES | {name: member})
    before = contents(tmp_path)
    with pytest.raises(DataError) as error:
        archive.extract(bad, tmp_path / "a/out")
    assert repr(name.removesuffix("/")).strip("'") in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before
    assert not (tmp_path / "a").exists()
    assert not os.path.lexists(ABSOLUTE)


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        ("tar.gz", (tarfile.SYMTYPE, "../speaker1/file7.bin")),
        ("tar.gz", (tarfile.LNKTYPE, "top/speaker1/file7.bin")),
        ("zip", (stat.S_IFLNK | 0o777, b"../speaker1/file7.bin")),
    ],
)
def test_a_link_inside_becomes_a_copy(tmp_path, kind, link):
    linked = write(tmp_path / f"linked.{kind}", FILES | {"top/speaker0/again.bin": link})
    archive.extract(linked, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES | {"top/speaker0/again.bin": FILES["top/speaker1/file7.bin"]}
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_one_line(good, tmp_path, share):
    whole = good.read_bytes()
    # A plain tar archive ends with more zeros than it needs.
    good.write_bytes(whole[: int(share * len(whole.rstrip(b"\0")))])
    with pytest.raises(DataError) as error:
        archive.extract(good, tmp_path / "out")
    assert str(error.value).startswith(str(good))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def failure(source, target):
    try:
        archive.extract(source, target)
    except SqspeechError as error:
        return str(error)
    return None


def test_a_damaged_archive_is_never_taken_for_whole(good, tmp_path):
    whole = good.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        good.write_bytes(damaged)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        error = failure(good, tmp_path / "out")
        found = contents(tmp_path / "out")
        assert not error or "\n" not in error
        if good.suffix == ".tar":
            # It has checksums of its headers alone.
            assert error or {name: len(data) for name, data in found.items()} == SIZES
        else:
            assert found.items() <= FILES.items()
            assert error or found == FILES


def test_a_zip_comment_that_swallows_other_members_is_damage(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    # Byte 32 of a member in the listing is the length of its comment.
    data[data.rindex(b"PK\1\2", 0, data.rindex(b"PK\1\2")) + 32] = 46 + len("top/speaker1/file7.bin")
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged list of members"):
        archive.extract(path, tmp_path / "out")


def test_what_is_no_archive_or_empty_or_missing_is_one_line(tmp_path):
    (tmp_path / "text.zip").write_text("no archive")
    write_zip(tmp_path / "empty.zip", {})
    for name, fault in (("text.zip", "no zip or tar"), ("empty.zip", "no file in it"), ("none.zip", "no such archive")):
        with pytest.raises(DataError, match=fault):
            archive.extract(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encrypted_archive_asks_to_be_unpacked_by_hand(tmp_path):
    path = write_zip(tmp_path / "locked.zip", {"a": b"contents"})
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="encrypted; unpack it yourself"):
        archive.extract(path, tmp_path / "out")


def test_a_tar_archive_that_ends_with_a_zip_archive_is_a_tar_archive(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", {"a": b"a"}).read_bytes()
    archive.extract(write_tar(tmp_path / "outer.tar", {"b": b"b", "inner.zip": inner}), tmp_path / "out")
    assert contents(tmp_path / "out") == {"b": b"b", "inner.zip": inner}


def test_room_is_checked_first_for_what_is_still_missing(good, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    archive.extract(good, tmp_path / "out")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 10_000))
    with pytest.raises(DataError, match=r"unpacking needs 0.00 GB and .* free; free some space"):
        archive.extract(good, tmp_path / "new/folder")
    assert not (tmp_path / "new").exists()
    (tmp_path / "out/top/speaker1/file7.bin").unlink()
    archive.extract(good, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_a_target_that_cannot_be_written_is_no_fault_of_the_archive(good, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SqspeechError, match="out"):
        archive.extract(good, tmp_path / "out")
