"""Judgements that are kept: what is judged again costs nothing."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError, cannot_write

type Samples = NDArray[np.float32]
# What a judge judges: samples, or those of a source and of its result.
type Judged = Samples | tuple[Samples, ...]

FILE = "judgements.jsonl"


class JudgementCache:
    """Judgements by the judge and by the digest of the samples, in memory and in a file.

    Parameters
    ----------
    folder
        Has judgements.jsonl, one judgement a line, which several runs may share; None keeps them in memory only.

    Raises
    ------
    DataError
        The file cannot be read. Lines that are damaged, as a crash leaves them, are not used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = folder / FILE if folder else None
        self._known = dict(_read(self._path)) if self._path else {}

    def judged[T: Judged](
        self, judge: str, items: Sequence[T], compute: Callable[[Sequence[T]], Sequence[Any]]
    ) -> list[Any]:
        """Return the judgement on each item; those that are not known are computed in one call.

        Parameters
        ----------
        judge
            The judge with everything that its judgements depend on, such as its version.
        items
            Shape (N,) each, at the rate of the judge.
        compute
            Gives a value for each item that JSON can hold.

        Raises
        ------
        SqspeechError
            The file cannot be written.
        """
        keys = [(judge, digest(item)) for item in items]
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in self._known}
        if missing:
            found = dict(zip(missing, compute(list(missing.values())), strict=True))
            self._append(found)
            self._known |= found
        return [self._known[key] for key in keys]

    def _append(self, found: dict[tuple[str, str], Any]) -> None:
        if self._path is None:
            return
        # Each begins a line of its own, whatever a run that was killed has left at the end.
        lines = [json.dumps({"judge": judge, "samples": of, "value": v}) for (judge, of), v in found.items()]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(f"\n{line}" for line in lines) + "\n")
        except OSError as error:
            raise cannot_write(self._path, error) from error


def digest(item: Judged) -> str:
    """Return 32 hexadecimal digits of the SHA-256 of samples (N,), or of several of them."""
    found = hashlib.sha256()
    for samples in item if isinstance(item, tuple) else (item,):
        found.update(f"{len(samples)} ".encode())
        found.update(np.ascontiguousarray(samples, np.float32).tobytes())
    return found.hexdigest()[:32]


def _read(path: Path) -> dict[tuple[str, str], Any]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{path}: cannot read the judgements ({error.strerror}); choose another folder") from None
    found = {}
    for line in lines:
        try:
            record = json.loads(line)
            found[record["judge"], record["samples"]] = record["value"]
        except (ValueError, KeyError, TypeError):
            continue
    return found
