"""Recordings to units, in this process or in several."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.atomic import scratch_folder
from sqspeech.codec.units import Matrix, Precision
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.journal import Extracted
from sqspeech.worker_pool import map_in_order

type Samples = NDArray[np.float32]
type Batch = tuple[Utterance, ...]
# Of an utterance: its units, or the reason why there are none.
type Result = Extracted | str

# In seconds of audio that are computed together, and at most so many utterances; a longer one is alone.
AT_ONCE, MOST = 120.0, 64
# In seconds: what lasts longer stays on disk.
LONG = 600.0


@dataclass(frozen=True, kw_only=True)
class Read:
    """The samples of an utterance at the model's rate, or the reason why there are none; see `Extracted`."""

    samples: Samples | None = None
    n_samples: int = 0
    version: str = ""
    note: str = ""
    reason: str = ""


def batches(utterances: Iterable[Utterance]) -> Iterator[Batch]:
    """Yield the utterances in groups that are computed together; what their headers say decides."""
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


def extract_batches(
    groups: Sequence[Batch],
    checkpoint: Path,
    extractor: UnitExtractor,
    matrices: tuple[Matrix, ...],
    *,
    jobs: int,
) -> Generator[list[Result], None, None]:
    """Yield the results of each batch, in order.

    On a CPU `jobs` processes share the batches, where there are several; otherwise this process computes, and reads the
    next batch meanwhile with `jobs` threads.
    """
    if extractor.trained.device.type == "cpu" and jobs > 1:
        shared = map_in_order(
            _extract_in_worker,
            groups,
            jobs=jobs,
            initializer=_start_worker,
            initargs=(checkpoint, extractor.info.precision, matrices),
            died=_died,
        )
        with closing(shared):
            yield from shared
        return
    with ThreadPoolExecutor(jobs) as readers:
        read = partial(_read, sample_rate=extractor.sample_rate)
        following = [readers.submit(read, utterance) for utterance in groups[0]] if groups else []
        for number, _ in enumerate(groups):
            current = [future.result() for future in following]
            ahead = groups[number + 1] if number + 1 < len(groups) else ()
            following = [readers.submit(read, utterance) for utterance in ahead]
            yield _extract(extractor, current, matrices)


def _read(utterance: Utterance, sample_rate: int) -> Read:
    version = utterance.version()
    try:
        info = audio.probe(utterance.path)
        seconds = utterance.seconds()
        if seconds > LONG:
            # The memory that the file is mapped to keeps it.
            with scratch_folder(Path(gettempdir())) as folder:
                target = folder / "samples"
                samples = audio.read_to_disk(utterance.path, sample_rate, target, utterance.start, utterance.end)
        else:
            samples = utterance.read(sample_rate)
        note = audio.note(utterance.path, sample_rate)
    except DataError as error:
        return Read(reason=str(error))
    return Read(samples=samples, n_samples=round(seconds * info.sample_rate), version=version, note=note)


def _extract(extractor: UnitExtractor, found: Sequence[Read], matrices: tuple[Matrix, ...]) -> list[Result]:
    """Return the units of what was read; if one is refused, each is tried alone."""
    usable = [read.samples for read in found if read.samples is not None]
    try:
        units = iter(extractor.extract_many(usable, matrices=matrices))
        return [
            Extracted(units=next(units), n_samples=read.n_samples, version=read.version, note=read.note)
            if read.samples is not None
            else read.reason
            for read in found
        ]
    except DataError as error:
        if len(found) == 1:
            return [str(error)]
        return [result for read in found for result in _extract(extractor, [read], matrices)]


def _died(batch: Batch) -> list[Result]:
    reason = "the process that read it died, for want of memory or by a fault in the decoder; look at the file"
    return [f"{utterance.path}: {reason}" for utterance in batch]


@dataclass(frozen=True, kw_only=True)
class _Worker:
    extractor: UnitExtractor
    matrices: tuple[Matrix, ...]


_worker: _Worker


def _start_worker(checkpoint: Path, precision: Precision, matrices: tuple[Matrix, ...]) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = _Worker(extractor=UnitExtractor.load(checkpoint, precision=precision), matrices=matrices)


def _extract_in_worker(batch: Batch) -> list[Result]:
    found = [_read(utterance, _worker.extractor.sample_rate) for utterance in batch]
    return _extract(_worker.extractor, found, _worker.matrices)
