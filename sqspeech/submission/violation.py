"""One thing that is wrong with a submission."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A violation of the challenge's rules; as text it is one line.

    Attributes
    ----------
    path
        The file or folder.
    line
        The first line that has it; None is the whole file.
    what, remedy
        What is wrong, and what its owner can do.
    """

    path: Path
    line: int | None = None
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else f"{self.path}"
        message = f"{place}: {self.what}; {self.remedy}"
        return " ".join(message.encode(errors="backslashreplace").decode().split())
