"""The two metadata files of a submission: their contents, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from sqspeech.atomic import write_text
from sqspeech.submission.tree import CODE, METADATA, YEAR
from sqspeech.submission.violation import Violation

DISTANCES = ("dtw_cosine", "dtw_kl", "levenshtein")
DESCRIPTIONS = ("auxiliary1 description", "auxiliary2 description")
ROOT_KEYS: Mapping[str, type] = {"author": str, "affiliation": str, "open source": bool}
YEAR_KEYS: Mapping[str, type] = {
    "abx distance": str,
    "system description": str,
    "using parallel train": bool,
    "using external data": bool,
}


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Metadata of a submission.

    Attributes
    ----------
    author, affiliation
        Whose it is.
    code
        Where its source code is, such as an address; the submission is open source unless this is empty.
    distance
        What ABX is to be measured with: dtw_cosine, dtw_kl or levenshtein.
    description
        Of the system.
    auxiliary
        What each of the auxiliary embeddings is.
    parallel_train, external_data
        Whether these were used.
    """

    author: str
    affiliation: str
    code: str
    distance: str
    description: str
    auxiliary: Sequence[str] = ()
    parallel_train: bool = False
    external_data: bool = False

    def write(self, submission: Path) -> None:
        """Write both files and, where it is open source, where the code is."""
        root = {"author": self.author, "affiliation": self.affiliation, "open source": bool(self.code)}
        year = {
            "abx distance": self.distance,
            "system description": self.description,
            "using parallel train": self.parallel_train,
            "using external data": self.external_data,
            **dict(zip(DESCRIPTIONS, self.auxiliary, strict=False)),
        }
        for folder, content in ((submission, root), (submission / YEAR, year)):
            write_text(folder / METADATA, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))
        if self.code:
            write_text(submission / YEAR / CODE / "README.txt", f"{self.code}\n")


def metadata_faults(path: Path, required: Mapping[str, type], optional: Mapping[str, type]) -> Iterator[Violation]:
    """Yield what is wrong with a metadata file: keys by name, with the type of their values."""
    content = read(path)
    if isinstance(content, str):
        yield Violation(path=path, what=content, remedy="write it again with `sqspeech submit`")
        return
    known = {**required, **optional}
    for key in sorted(required.keys() - content.keys()):
        yield Violation(path=path, what=f"lacks the key {key!r}", remedy="add it")
    for key, value in content.items():
        fault, remedy = _value_fault(key, value, known)
        if fault:
            yield Violation(path=path, what=fault, remedy=remedy)


def _value_fault(key: str, value: object, known: Mapping[str, type]) -> tuple[str, str]:
    """Return what is wrong with a value, empty where nothing is, and the remedy."""
    if key not in known:
        return f"has the unknown key {key!r}", f"remove it; the keys are {', '.join(known)}"
    if not isinstance(value, known[key]):
        return f"{key!r} is {value!r}", f"give {'true or false' if known[key] is bool else 'text'}"
    if value == "":
        return f"{key!r} is empty", "fill it in"
    if key == "abx distance" and value not in DISTANCES:
        return f"{key!r} is {value!r}", f"take one of {', '.join(DISTANCES)}"
    return "", ""


def read(path: Path) -> dict[str, object] | str:
    """Return the content of a metadata file, or why there is none."""
    if not path.is_file():
        return "is no file"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        return f"is no YAML ({' '.join(str(error).split())})"
    if not isinstance(content, dict) or not content:
        return "has no keys with values"
    return {str(key): value for key, value in content.items()}
