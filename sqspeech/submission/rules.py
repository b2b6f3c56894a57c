"""Check of a submission: every violation of the challenge's rules, with its file and its remedy.

The rules are those of the organisers' programs for 2019 and 2020, which stop at the first violation, and what their
evaluation cannot read although they let it pass: single columns, and values that are not finite.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sqspeech.submission.files import unit_faults, wav_faults
from sqspeech.submission.metadata import DESCRIPTIONS, ROOT_KEYS, YEAR_KEYS, metadata_faults, read
from sqspeech.submission.tree import AUXILIARY, CODE, LANGUAGES, METADATA, TEST, YEAR, Part
from sqspeech.submission.violation import Violation


def validate(submission: Path, parts: Collection[Part] = ()) -> Iterator[Violation]:
    """Yield the violations of a submission of one language or both.

    Parameters
    ----------
    submission
        The root of the tree.
    parts
        What the data of a language ask for. Of a language without it, the files in `test` are taken for those that
        were wanted.
    """
    try:
        yield from _root(submission, {part.language: part for part in parts})
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        yield Violation(path=Path(error.filename or submission), what=what, remedy="see who may read it")


def notes(submission: Path) -> Iterator[str]:
    """Yield what is allowed by one of the organisers' programs and refused by another."""
    for language in LANGUAGES:
        if not (submission / YEAR / language).is_dir():
            yield f"{language} is not there: it may lack for the challenge of 2019, that of 2020 asks for both"
    root = read(submission / METADATA)
    if isinstance(root, dict) and root.get("open source") is False:
        yield "it is not open source: the program for 2020 means to allow that and refuses all such submissions"


def _root(submission: Path, asked: Mapping[str, Part]) -> Iterator[Violation]:
    if not submission.is_dir():
        yield Violation(path=submission, what="no such folder", remedy="check the path")
        return
    root = read(submission / METADATA)
    open_source = isinstance(root, dict) and root.get("open source") is True
    yield from _entries(submission, {METADATA, YEAR}, {"2017"})
    yield from _metadata(submission / METADATA, ROOT_KEYS, {})
    yield from _folders(submission / YEAR)
    if (submission / YEAR).is_dir():
        yield from _year(submission / YEAR, open_source, asked)


def _year(year: Path, open_source: bool, asked: Mapping[str, Part]) -> Iterator[Violation]:
    there = {language for language in LANGUAGES if (year / language).exists(follow_symlinks=False)}
    wanted = {*asked, *(there or LANGUAGES[:1])}
    yield from _entries(year, {METADATA, *wanted, *([CODE] if open_source else [])}, {CODE})
    yield from _folders(*(year / name for name in (CODE, *sorted(there))))
    yield from _code(year / CODE, open_source)
    languages = [language for language in LANGUAGES if (year / language).is_dir()]
    having = {name: [language for language in languages if (year / language / name).is_dir()] for name in AUXILIARY}
    described = [key for key, name in zip(DESCRIPTIONS, AUXILIARY, strict=True) if having[name]]
    keys = {**YEAR_KEYS, **dict.fromkeys(described, str)}
    yield from _metadata(year / METADATA, keys, dict.fromkeys(DESCRIPTIONS, str))
    yield from _auxiliary(year, languages, having)
    for language in languages:
        yield from _language(year / language, asked.get(language))


def _folders(*paths: Path) -> Iterator[Violation]:
    for path in paths:
        if path.exists(follow_symlinks=False) and not path.is_dir():
            yield Violation(path=path, what="is no folder", remedy="remove it and run `sqspeech submit`")


def _entries(folder: Path, required: Collection[str], allowed: Collection[str]) -> Iterator[Violation]:
    existing = {path.name for path in folder.iterdir()}
    for name in sorted(set(required) - existing):
        yield Violation(path=folder / name, what="is missing", remedy="write it with `sqspeech submit`")
    for name in sorted(existing - set(required) - set(allowed)):
        yield Violation(path=folder / name, what="does not belong here", remedy="remove it")


def _metadata(path: Path, required: Mapping[str, type], optional: Mapping[str, type]) -> Iterator[Violation]:
    if path.exists(follow_symlinks=False):  # else it is reported as missing
        yield from metadata_faults(path, required, optional)


def _code(folder: Path, open_source: bool) -> Iterator[Violation]:
    filled = folder.is_dir() and any(folder.iterdir())
    if filled and not open_source:
        yield Violation(path=folder, what="is there although the submission is not open source", remedy="remove it")
    if open_source and folder.is_dir() and not filled:
        yield Violation(
            path=folder, what="holds no code", remedy="put the code there, or a file that names its address"
        )


def _auxiliary(year: Path, languages: Collection[str], having: Mapping[str, list[str]]) -> Iterator[Violation]:
    for name, there in having.items():
        for language in sorted(set(languages) - set(there)) if there else ():
            remedy = f"write it for {language}, too, or remove that of {there[0]}"
            yield Violation(path=year / language / name, what=f"is missing, but {there[0]} has it", remedy=remedy)
    first, second = AUXILIARY
    for language in sorted(set(having[second]) - set(having[first])):
        yield Violation(path=year / language / second, what=f"is there without {first}", remedy="rename it")


def _language(folder: Path, part: Part | None) -> Iterator[Violation]:
    yield from _entries(folder, {TEST}, AUXILIARY)
    yield from _folders(*(folder / name for name in (TEST, *AUXILIARY)))
    test = folder / TEST
    existing = {path.name for path in test.iterdir()} if test.is_dir() else set()
    units = set(part.utterances) if part else {name for name in existing if name.endswith(".txt")}
    wavs = set(part.conversions) if part else {name for name in existing if name.endswith(".wav")}
    if test.is_dir():
        yield from _units(test, units, wavs)
        yield from (violation for name in sorted(wavs & existing) for violation in wav_faults(test / name))
        for kind, names in (("units", units), ("conversions", wavs)):
            if not names:
                yield Violation(path=test, what=f"holds no {kind}", remedy="write them with `sqspeech submit`")
    for name in AUXILIARY:
        if (folder / name).is_dir():
            yield from _units(folder / name, units)


def _units(folder: Path, names: Collection[str], others: Collection[str] = ()) -> Iterator[Violation]:
    """Yield the faults of a folder of units files, all of which must have as many columns as most have."""
    yield from _entries(folder, {*names, *others}, ())
    columns: dict[str, int] = {}
    for name in sorted({path.name for path in folder.iterdir()} & set(names)):
        columns[name], found = unit_faults(folder / name)
        yield from found
    # A single column has been reported already.
    counted = {name: count for name, count in columns.items() if count > 1}
    ((usual, files),) = Counter(counted.values()).most_common(1) or [(0, 0)]
    for name, count in counted.items():
        if count != usual:
            what = f"has {count} columns, but {files} others have {usual}"
            yield Violation(path=folder / name, what=what, remedy="write all files of a folder with one model")
