"""The units of many recordings on disk: in several formats, stopped and continued, on several hosts."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sqspeech.codec.units import Precision
from sqspeech.data.data_dir import Utterance
from sqspeech.data.shard import Shard
from sqspeech.errors import ConfigError
from sqspeech.failures import Failures
from sqspeech.lock import locked
from sqspeech.progress import progress_bar
from sqspeech.units import folder as unit_folder
from sqspeech.units import journal
from sqspeech.units.computation import batches, extract_batches
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.formats import FORMATS, Contents, Entry
from sqspeech.units.id_rules import usable
from sqspeech.units.journal import Place


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
    missing, or whose recording has another size or time of change than it had. A format's folder is whole or absent,
    and replaces the one before; nothing else in `output` is touched.

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
    DataError
        The formats can hold no id, one stands twice, or a folder is not one that this function wrote; nothing has been
        done then.
    SqspeechError
        The folder cannot be written, or another run is writing there.
    """
    _check(formats, contents)
    failures = Failures()
    named = usable(utterances, formats, failures)
    for name in formats:
        unit_folder.check_target(output / name, name)
    extractor = UnitExtractor.load(checkpoint, device, precision)
    wanted = replace(contents, matrices=_needed(formats, contents))
    extractor.check(wanted.matrices)
    ordered = sorted(named, key=lambda utterance: utterance.utt_id)
    work = output / ".unfinished"
    folder = work / _fingerprint(extractor, ordered, wanted)
    with ExitStack() as stack:
        stack.enter_context(locked(work / "lock", shared=shard is not None))
        part = folder / (f"part-{shard.index}-of-{shard.count}" if shard else "part")
        if shard:
            stack.enter_context(locked(part / "lock"))
        mine = shard.of(ordered) if shard else ordered
        done = _unchanged(journal.contents(folder), mine)
        done |= _add_missing(part, mine, done, checkpoint, extractor, wanted, jobs, failures)
        places = {utterance.utt_id: done[utterance.utt_id] for utterance in mine if utterance.utt_id in done}
        counts = _note(places, failures)
        if shard:
            return counts, failures
        for name in formats if places else ():
            unit_folder.write(output, name, _entries(ordered, places), contents, extractor.info, scratch_beside=work)
        # Another run may be waiting for the lock in it.
        shutil.rmtree(work, ignore_errors=True)
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
    return hashlib.sha256((settings + "".join(lines)).encode(errors="surrogatepass")).hexdigest()[:16]


def _unchanged(done: Mapping[str, Place], utterances: Sequence[Utterance]) -> dict[str, Place]:
    return {
        utterance.utt_id: place
        for utterance in utterances
        if (place := done.get(utterance.utt_id)) and place.version == utterance.version()
    }


def _add_missing(
    part: Path,
    utterances: Sequence[Utterance],
    done: Mapping[str, Place],
    checkpoint: Path,
    extractor: UnitExtractor,
    contents: Contents,
    jobs: int,
    failures: Failures,
) -> dict[str, Place]:
    added = dict[str, Place]()
    groups = list(batches(utterance for utterance in utterances if utterance.utt_id not in done))
    if not groups:
        return added
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
                added |= journal.append(part, usable)
            bar.advance(task, len(group))
    return added


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
