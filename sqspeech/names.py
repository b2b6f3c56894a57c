"""Names that come from inputs, made into names of files and into lines of a report."""

import hashlib
import io
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import count
from pathlib import Path

# In bytes, of a name in the usual file systems.
LONGEST = 255
# What leads out of a folder, hides a file, cannot be in a name, or reads like what `file_name` writes instead.
UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.|%(?=[0-9A-Fa-f]{2}|~)")

# What Python has for the bytes of a file's name that are not UTF-8.
SURROGATES = re.compile(r"[\ud800-\udfff]")


def file_name(name: str, suffix: str = "", longest: int = LONGEST) -> str:
    """Return the name of the file of an utterance, a speaker or the like: `name` itself where that can be.

    Every other character is written as `%` and two digits for each of its bytes, as in an address, and of what is too
    long the beginning is kept, with `%~` and 32 digits of its SHA-256. So no two names give the same file, and the file
    is in the folder that it is asked for in.

    Parameters
    ----------
    name
        Any text.
    suffix
        The end of the file's name, such as `.wav`.
    longest
        In bytes, suffix included; at least 34 more than it has.
    """
    safe = UNSAFE.sub(_escaped, name)
    length = longest - len(suffix.encode())
    if safe and len(safe.encode()) <= length:
        return safe + suffix
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    beginning = safe.encode()[: length - len(digest) - 2].decode(errors="ignore")
    return f"{re.sub('%[0-9A-F]?$', '', beginning)}%~{digest}{suffix}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))


def is_utf8(name: str) -> bool:
    """Return whether UTF-8 has all characters of `name`: a file's name may be of bytes that it has not."""
    return name.isascii() or not SURROGATES.search(name)


def shown(name: object) -> str:
    """Return `name` fit for a line of a report: on one line, without tabs, and of characters that UTF-8 has."""
    return " ".join(str(name).encode(errors="backslashreplace").decode().split())


def let_print_any_name() -> None:
    """Let standard output and standard error escape the characters that they cannot hold, such as of foreign names."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is skipped in a folder: hidden ones, and what macOS adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def distinct(names: Iterable[str], safe: Callable[[str], str]) -> dict[str, str]:
    """Return the safe form of each name; where several share one, all but the first get ".2", ".3" and so on.

    A name that is safe already is its own form.
    """
    ordered = sorted(set(names), key=lambda name: (safe(name) != name, name))
    taken = {safe(name) for name in ordered}
    forms: dict[str, str] = {}
    used: set[str] = set()
    for name in ordered:
        form = safe(name)
        if form in used:
            form = next(other for n in count(2) if (other := f"{form}.{n}") not in taken)
            taken.add(form)
        used.add(form)
        forms[name] = form
    return forms


def written_alike(path: Path) -> tuple[Path | None, bool]:
    r"""Return what is there under the name of a missing `path` as others write it, and whether it is surely meant.

    That is another Unicode normalisation, or `\` for `/`; other capitals are but a hint.
    """
    found, sure = Path(path.anchor), True
    try:
        for part in path.relative_to(path.anchor).as_posix().replace("\\", "/").split("/"):
            alike = part if part in ("", "..") or (found / part).exists() else _alike(found, part)
            if alike is None:
                return None, False
            sure &= alike == part or unicodedata.normalize("NFC", alike) == unicodedata.normalize("NFC", part)
            found /= alike
    except (OSError, ValueError):  # such as a name that is too long
        return None, False
    return found, sure


def _alike(folder: Path, name: str) -> str | None:
    there = _entries(folder, folder.stat().st_mtime_ns)
    key = unicodedata.normalize("NFC", name)
    return there.get(key) or there.get(key.casefold())


@lru_cache(maxsize=64)
def _entries(folder: Path, changed: int) -> dict[str, str]:
    """Return the names in a folder, which `changed` then, by what they are alike in."""
    forms = {unicodedata.normalize("NFC", path.name): path.name for path in sorted(folder.iterdir())}
    return {form.casefold(): name for form, name in forms.items()} | forms
