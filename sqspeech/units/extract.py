"""The units of many recordings: by workers, in several formats, stopped and continued, on several hosts."""

import hashlib
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.atomic import scratch_file
from sqspeech.codec import Codec, Matrix
from sqspeech.codec.units import Precision
from sqspeech.corpus import DIED, Processes, Shard, Workers, map_in_order
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import ConfigError, DataError
from sqspeech.failures import Failures
from sqspeech.lock import locked
from sqspeech.progress import progress_bar
from sqspeech.units import store
from sqspeech.units.formats import FORMATS, Contents, Entry
from sqspeech.units.id_rules import usable
from sqspeech.units.store import Extracted, Place

type Samples = NDArray[np.float32]
type Batch = tuple[Utterance, ...]
# Of an utterance: its units, or the reason why there are none.
type Result = Extracted | str

# In seconds of audio that are computed together, and at most so many utterances; a longer one is alone.
AT_ONCE, MOST = 120.0, 64
# In seconds: what lasts longer stays on disk.
LONG = 600.0


def extract_corpus(
    checkpoint: Path,
    utterances: Sequence[Utterance],
    output: Path,
    formats: Sequence[str],
    contents: Contents = Contents(),  # noqa: B008 (frozen)
    *,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    precision: Precision = "float32",
    shard: Shard | None = None,
    stages: int | None = None,
    smooth: float = 0.0,
) -> tuple[dict[str, int], Failures]:
    """Write the units of utterances to `output`/<format>/ for each format, with info.json in it.

    What is extracted is set aside in `output`; a run that was stopped is continued by the same call. With a `shard`,
    only its utterances are extracted; a call without one then puts together what all shards have, and extracts what is
    missing, or whose recording has another size or time of change than it had. A format's folder is whole or absent,
    and replaces the one before; nothing else in `output` is touched.
    Of a residual quantiser the first `stages` alone are used where they are given. Changes of units cost `smooth` nats
    each (see `sqspeech.codec.smoothing`).

    Returns
    -------
    count
        How many steps each utterance, of the shard where there is one, has.
    failures
        The others, and the notes.

    Raises
    ------
    ConfigError
        No format that was asked for holds the matrices that were, or the model has no codebook, no posteriors or
        fewer stages, or too many to be smoothed.
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
        store.check_target(output / name, name)
    codec = Codec.load(checkpoint, device, precision, stages, smooth)
    wanted = replace(contents, matrices=_needed(formats, contents))
    codec.check_matrices(wanted.matrices)
    ordered = sorted(named, key=lambda utterance: utterance.utt_id)
    work = output / ".unfinished"
    folder = work / _fingerprint(codec, ordered, wanted)
    with ExitStack() as stack:
        stack.enter_context(locked(work / "lock", shared=shard is not None))
        part = folder / (f"part-{shard.index}-of-{shard.count}" if shard else "part")
        if shard:
            stack.enter_context(locked(part / "lock"))
        mine = shard.of(ordered) if shard else ordered
        done = _unchanged(store.find_extracted(folder), mine)
        done |= _add_missing(part, mine, done, codec, wanted.matrices, workers, failures)
        places = {utterance.utt_id: done[utterance.utt_id] for utterance in mine if utterance.utt_id in done}
        counts = _note(places, failures)
        if shard:
            return counts, failures
        for name in formats if places else ():
            store.write(output, name, _entries(ordered, places), contents, codec.info, scratch_beside=work)
        # Another run may be waiting for the lock in it.
        shutil.rmtree(work, ignore_errors=True)
    if not places:
        with suppress(OSError):  # it was not empty before
            output.rmdir()
    return counts, failures


def _check(formats: Sequence[str], contents: Contents) -> None:
    holding = [name for name in FORMATS.names() if "matrices" in FORMATS[name].HOLDS]
    if contents.matrices and not set(formats) & set(holding):
        raise ConfigError(
            f"{', '.join(formats)}: no place for {', '.join(contents.matrices)}; "
            f"add a --format of {', '.join(sorted(holding))}"
        )


def _needed(formats: Sequence[str], contents: Contents) -> tuple[Any, ...]:
    return tuple(dict.fromkeys([*contents.matrices, *(["vectors"] if "zerospeech" in formats else [])]))


def _fingerprint(codec: Codec, utterances: Sequence[Utterance], contents: Contents) -> str:
    lines = [f"{u.utt_id} {u.path.absolute()} {u.start} {u.end}\n" for u in utterances]
    settings = f"{codec.info} {contents.matrices}\n"
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
    codec: Codec,
    matrices: tuple[Matrix, ...],
    workers: Workers,
    failures: Failures,
) -> dict[str, Place]:
    added = dict[str, Place]()
    groups = list(batches(utterance for utterance in utterances if utterance.utt_id not in done))
    if not groups:
        return added
    results = extract_batches(groups, Extraction(codec, matrices), workers)
    with progress_bar() as bar, closing(results):
        task = bar.add_task("units", total=sum(map(len, groups)), status="")
        for group, of_group in zip(groups, results, strict=True):
            named = {utterance.utt_id: result for utterance, result in zip(group, of_group, strict=True)}
            for utt_id, result in named.items():
                if isinstance(result, str):
                    failures.add(utt_id, result)
            usable = {utt_id: result for utt_id, result in named.items() if not isinstance(result, str)}
            if usable:
                added |= store.append(part, usable)
            bar.advance(task, len(group))
    return added


def _note(places: Mapping[str, Place], failures: Failures) -> dict[str, int]:
    counts: dict[str, int] = {}
    for utt_id, extracted in zip(places, store.read_extracted(list(places.values())), strict=True):
        counts[utt_id] = len(extracted.units)
        if extracted.note:
            failures.notes[utt_id] = extracted.note
    return counts


def _entries(utterances: Sequence[Utterance], places: Mapping[str, Place]) -> Iterator[Entry]:
    used = [utterance for utterance in utterances if utterance.utt_id in places]
    for utterance, found in zip(used, store.read_extracted([places[u.utt_id] for u in used]), strict=True):
        yield Entry(
            utt_id=utterance.utt_id,
            path=utterance.path,
            n_samples=found.n_samples,
            units=found.units,
            text=utterance.text,
            # An utterance without a speaker has its id in its place.
            speaker=utterance.spk_id if utterance.spk_id != utterance.utt_id else None,
        )


@dataclass(frozen=True, kw_only=True)
class Read:
    """The samples of an utterance at the model's rate, or the reason why there are none; see `Extracted`."""

    samples: Samples | None = None
    n_samples: int = 0
    version: str = ""
    note: str = ""
    reason: str = ""


def batches(utterances: Iterable[Utterance]) -> Iterator[Batch]:
    """Yield the utterances in groups that are computed together; by the lengths in their headers."""
    group: list[Utterance] = []
    total = 0.0
    for utterance in utterances:
        seconds = _seconds(utterance)
        if group and (total + seconds > AT_ONCE or len(group) == MOST):
            yield tuple(group)
            group, total = [], 0.0
        group.append(utterance)
        total += seconds
    if group:
        yield tuple(group)


def _seconds(utterance: Utterance) -> float:
    try:
        return utterance.seconds()
    except DataError:
        return 0.0  # it is reported when it is read


@dataclass(frozen=True)
class Extraction:
    """Function of a batch of utterances to their results."""

    codec: Codec
    matrices: tuple[Matrix, ...]

    def __call__(self, batch: Batch) -> list[Result]:
        """Read the recordings and extract their units together."""
        return self.of([self.read(utterance) for utterance in batch])

    def read(self, utterance: Utterance) -> Read:
        """Return the samples, which for a long recording are mapped from a file, or the reason why there are none."""
        version, rate = utterance.version(), self.codec.sample_rate
        try:
            with utterance.open() as file:
                if file.seconds > LONG:
                    with scratch_file(Path(gettempdir())) as target:
                        samples = file.read_to_disk(rate, target)
                else:
                    samples = file.read(rate)
                return Read(samples=samples, n_samples=file.n_samples, version=version, note=file.note(rate))
        except DataError as error:
            return Read(reason=str(error))

    def of(self, found: Sequence[Read]) -> list[Result]:
        """Return the units of what was read; if one is refused, each is tried alone."""
        usable = [read.samples for read in found if read.samples is not None]
        try:
            units = iter(self.codec.encode_many(usable, matrices=self.matrices))
            return [
                Extracted(units=next(units), n_samples=read.n_samples, version=read.version, note=read.note)
                if read.samples is not None
                else read.reason
                for read in found
            ]
        except DataError as error:
            if len(found) == 1:
                return [str(error)]
            return [result for read in found for result in self.of([read])]


def extract_batches(
    groups: Sequence[Batch], extraction: Extraction, workers: Workers
) -> Generator[list[Result], None, None]:
    """Yield the results of each batch, in order.

    Where there is one process, or the model is on a GPU, this process computes, and reads the next batch meanwhile
    with as many threads as there are jobs; otherwise workers share the batches, each with a copy of the model.
    """
    on_cpu = extraction.codec.trained.device.type == "cpu"
    if isinstance(workers, Processes) and (workers.jobs == 1 or not on_cpu):
        yield from _extract_here(groups, extraction, workers.jobs)
        return
    with closing(map_in_order(extraction, groups, workers, died=_died)) as shared:
        yield from shared


def _extract_here(groups: Sequence[Batch], extraction: Extraction, threads: int) -> Iterator[list[Result]]:
    with ThreadPoolExecutor(threads) as readers:
        following = [readers.submit(extraction.read, utterance) for utterance in groups[0]] if groups else []
        for number, _ in enumerate(groups):
            current = [future.result() for future in following]
            ahead = groups[number + 1] if number + 1 < len(groups) else ()
            following = [readers.submit(extraction.read, utterance) for utterance in ahead]
            yield extraction.of(current)


def _died(batch: Batch) -> list[Result]:
    return [f"{utterance.path}: {DIED}" for utterance in batch]
