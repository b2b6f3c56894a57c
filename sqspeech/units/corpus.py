"""The units of many recordings on disk: in several formats, stopped and continued, on several hosts."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sqspeech.atomic import scratch_folder
from sqspeech.data.data_dir import Utterance
from sqspeech.data.shard import Shard
from sqspeech.errors import ConfigError, DataError
from sqspeech.failures import Failures
from sqspeech.lock import locked
from sqspeech.progress import progress_bar
from sqspeech.units import journal
from sqspeech.units.computation import batches, extract_batches
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.formats import FORMATS, Contents, Entry
from sqspeech.units.journal import Place
from sqspeech.units.unit_set import FORMAT, Precision, UnitInfo, UnitSet

INFO = "info.json"


def extract_corpus(
    checkpoint: Path,
    utterances: Sequence[Utterance],
    output: Path,
    formats: Sequence[str],
    contents: Contents = Contents(),  # noqa: B008 (frozen)
    *,
    jobs: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    precision: Precision = "float32",
    shard: Shard | None = None,
) -> tuple[dict[str, int], Failures]:
    """Write the units of utterances to `output`/<format>/ for each format, with info.json in it.

    What is extracted is set aside in `output`; a run that was stopped is continued by the same call. With a `shard`,
    only its utterances are extracted; a call without one then puts together what all shards have, and extracts what is
    missing. A format's folder is whole or absent, and replaces the one before.

    Returns
    -------
    count
        How many steps each utterance, of the shard where there is one, has.
    failures
        The others, and the notes.

    Raises
    ------
    ConfigError
        No format that was asked for holds the matrices that were, or the model has no codebook or no posteriors.
    SqspeechError
        The folder cannot be written, or another run is writing there.
    """
    _check(formats, contents)
    extractor = UnitExtractor.load(checkpoint, device, precision)
    wanted = replace(contents, matrices=_needed(formats, contents))
    extractor.check(wanted.matrices)
    ordered = sorted(utterances, key=lambda utterance: utterance.utt_id)
    work = output / ".unfinished"
    folder = work / _fingerprint(extractor, ordered, wanted)
    with ExitStack() as stack:
        stack.enter_context(locked(work / "lock", shared=shard is not None))
        part = folder / (f"part-{shard.index}-of-{shard.count}" if shard else "part")
        if shard:
            stack.enter_context(locked(part / "lock"))
        mine = shard.of(ordered) if shard else ordered
        failures = _add_missing(part, mine, journal.contents(folder), checkpoint, extractor, wanted, jobs)
        done = journal.contents(folder)
        places = {utterance.utt_id: done[utterance.utt_id] for utterance in mine if utterance.utt_id in done}
        counts = _note(places, failures)
        if shard:
            return counts, failures
        for name in formats if places else ():
            _write(output, name, _entries(ordered, places), contents, extractor.info)
        shutil.rmtree(work)
    if not places:
        with suppress(OSError):  # it was not empty before
            output.rmdir()
    return counts, failures


def _check(formats: Sequence[str], contents: Contents) -> None:
    holding = [name for name, form in FORMATS.items() if "matrices" in form.HOLDS]
    if contents.matrices and not set(formats) & set(holding):
        raise ConfigError(
            f"{', '.join(formats)}: no place for {', '.join(contents.matrices)}; "
            f"add a --format of {', '.join(sorted(holding))}"
        )


def _needed(formats: Sequence[str], contents: Contents) -> tuple[Any, ...]:
    return tuple(dict.fromkeys([*contents.matrices, *(["vectors"] if "zerospeech" in formats else [])]))


def _fingerprint(extractor: UnitExtractor, utterances: Sequence[Utterance], contents: Contents) -> str:
    lines = [f"{u.utt_id} {u.path.absolute()} {u.start} {u.end}\n" for u in utterances]
    settings = f"{extractor.info} {contents.matrices}\n"
    return hashlib.sha256((settings + "".join(lines)).encode()).hexdigest()[:16]


def _add_missing(
    part: Path,
    utterances: Sequence[Utterance],
    done: Mapping[str, Place],
    checkpoint: Path,
    extractor: UnitExtractor,
    contents: Contents,
    jobs: int,
) -> Failures:
    failures = Failures()
    groups = list(batches(utterance for utterance in utterances if utterance.utt_id not in done))
    if not groups:
        return failures
    results = extract_batches(groups, checkpoint, extractor, contents.matrices, jobs=jobs)
    with progress_bar() as bar, closing(results):
        task = bar.add_task("units", total=sum(map(len, groups)), status="")
        for group, of_group in zip(groups, results, strict=True):
            named = {utterance.utt_id: result for utterance, result in zip(group, of_group, strict=True)}
            for utt_id, result in named.items():
                if isinstance(result, str):
                    failures.add(utt_id, result)
            usable = {utt_id: result for utt_id, result in named.items() if not isinstance(result, str)}
            if usable:
                journal.append(part, usable)
            bar.advance(task, len(group))
    return failures


def _note(places: Mapping[str, Place], failures: Failures) -> dict[str, int]:
    counts: dict[str, int] = {}
    for utt_id, extracted in zip(places, journal.read(list(places.values())), strict=True):
        counts[utt_id] = len(extracted.units)
        if extracted.note:
            failures.notes[utt_id] = extracted.note
    return counts


def _entries(utterances: Sequence[Utterance], places: Mapping[str, Place]) -> Iterator[Entry]:
    used = [utterance for utterance in utterances if utterance.utt_id in places]
    for utterance, found in zip(used, journal.read([places[u.utt_id] for u in used]), strict=True):
        yield Entry(utt_id=utterance.utt_id, path=utterance.path, n_samples=found.n_samples, units=found.units)


def _write(output: Path, name: str, entries: Iterator[Entry], contents: Contents, info: UnitInfo) -> None:
    form, target = FORMATS[name], output / name
    own = Contents(**{field: value for field, value in asdict(contents).items() if field in form.HOLDS})
    about = replace(info, deduplicated=own.deduplicated)
    with scratch_folder(output) as scratch:
        folder = scratch / name
        folder.mkdir()
        form.write(folder, entries, own)
        text = json.dumps({**asdict(about), "layout": name, **asdict(own)}, indent=2)
        (folder / INFO).write_text(text + "\n", encoding="utf-8")
        if target.exists():
            target.rename(scratch / "before")
        folder.rename(target)


def read(path: Path | str) -> UnitSet:
    """Return the units that `sqspeech units` wrote to a folder; of several formats, the one that says most.

    Where the durations are known, the codes are one a step again, and `info.deduplicated` is false.

    Raises
    ------
    DataError
        There are none, or they are damaged.
    """
    path = Path(path)
    here = [path, *(path / name for name in FORMATS)]
    folder = next((folder for folder in here if (folder / INFO).is_file()), None)
    if folder is None:
        raise DataError(f"{path}: no units here; make them with `sqspeech units CKPT INPUT... -o {path}`")
    values = _info(folder / INFO)
    contents = Contents(
        deduplicated=values["deduplicated"],
        durations=values.pop("durations"),
        matrices=tuple(values.pop("matrices")),
    )
    form = FORMATS[values.pop("layout")]
    try:
        units = form.read(folder, contents)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder}: cannot read the units ({error}); extract them again") from None
    info = UnitInfo(**values)
    return UnitSet(info=replace(info, deduplicated=info.deduplicated and not contents.durations), units=units)


def _info(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        fields = UnitInfo.__dataclass_fields__.keys() | {"layout", "durations", "matrices"}
        if values.get("format") == FORMAT and values.keys() == fields and values["layout"] in FORMATS:
            return dict(values)
    except (OSError, ValueError, AttributeError):
        pass
    raise DataError(f"{path}: damaged, or of another version; extract the units again")
