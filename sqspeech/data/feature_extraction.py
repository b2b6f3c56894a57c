"""Compute the features of a data directory, in several processes, and continue where a run stopped."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import kaldiio
import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.atomic import write_text
from sqspeech.data.data_dir import DataDir, Utterance, read_table, write_table
from sqspeech.data.feature_store import STATE_NAME, DumpState, check_same_features, read_state
from sqspeech.errors import DataError, SqspeechError
from sqspeech.failures import Failures
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.progress import track

SKIPPED_NAME = "skipped"

_log_mel: LogMel


def extract_features(data: DataDir, path: Path, config: LogMelConfig, *, jobs: int = 1) -> Failures:
    """Write the log-mels of `data` to the dump folder `path` and return the utterances that had to be skipped.

    The folder becomes a Kaldi data directory with feats.scp, feats.ark, utt2num_frames, features.json, and
    `skipped` with the reason for each utterance that is left out. Its bytes do not depend on `jobs`. A run that
    was stopped is continued; a finished dump is left alone.

    Raises
    ------
    DataError
        The folder holds features of another configuration.
    """
    state = DumpState(config=config, fingerprint=_fingerprint(data))
    failures = Failures()
    if _is_finished(path, state):
        for utt_id, reason in read_table(path / SKIPPED_NAME).items():
            failures.add(utt_id, reason)
        return failures
    with _unfinished_dump(path, state) as dump:
        todo = [utterance for utterance in data if utterance.utt_id not in dump.locations]
        for utterance, mel in zip(todo, _compute(todo, config, jobs), strict=True):
            if isinstance(mel, str):
                failures.add(utterance.utt_id, mel)
            else:
                dump.append(utterance.utt_id, mel)
        if dump.locations:
            dump.finish(data, failures)
    return failures


def _is_finished(path: Path, state: DumpState) -> bool:
    if not (path / STATE_NAME).exists():
        return False
    found = read_state(path)
    check_same_features(path, found.config, state.config)
    return found == state


def _fingerprint(data: DataDir) -> str:
    lines = [f"{u.utt_id} {u.spk_id} {u.path.absolute()} {u.start} {u.end}\n" for u in data]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class _Dump:
    """The unfinished dump, in a hidden folder inside the final one: an ark that grows, and its index."""

    def __init__(self, path: Path, state: DumpState) -> None:
        self.path, self.state, self.folder = path, state, path / ".unfinished"
        if _read_or_none(self.folder) != state:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_text(self.folder / STATE_NAME, state.to_json())
        self.locations: dict[str, tuple[int, int]] = {}
        self.index = (self.folder / "index").open("a+", encoding="utf-8")
        self.ark = (self.folder / "feats.ark").open("ab")
        self._recover()

    def _recover(self) -> None:
        # Only whole lines count, and only matrices that the ark holds whole; the rest is written again.
        self.index.seek(0)
        size, end = self.ark.tell(), 0
        whole = 0
        for line in self.index:
            if not line.endswith("\n"):
                break
            utt_id, offset, frames, after = line.split()
            if int(after) > size:
                break
            self.locations[utt_id] = int(offset), int(frames)
            end, whole = int(after), whole + len(line.encode())
        self.index.truncate(whole)
        self.ark.truncate(end)
        self.ark.seek(0, os.SEEK_END)

    def append(self, utt_id: str, mel: NDArray[np.float32]) -> None:
        offset = self.ark.tell() + len(utt_id.encode()) + 1
        kaldiio.save_ark(self.ark, {utt_id: mel})
        self.ark.flush()
        self.index.write(f"{utt_id} {offset} {len(mel)} {self.ark.tell()}\n")
        self.index.flush()
        self.locations[utt_id] = offset, len(mel)

    def finish(self, data: DataDir, failures: Failures) -> None:
        (self.path / STATE_NAME).unlink(missing_ok=True)
        data.subset(self.locations).write(self.path)
        ark = self.path / "feats.ark"
        write_table(self.path / "feats.scp", {utt: f"{ark}:{offset}" for utt, (offset, _) in self.locations.items()})
        write_table(self.path / "utt2num_frames", {utt: str(frames) for utt, (_, frames) in self.locations.items()})
        write_table(self.path / SKIPPED_NAME, failures.reasons)
        self.close()
        (self.folder / "feats.ark").replace(ark)
        (self.folder / STATE_NAME).replace(self.path / STATE_NAME)
        shutil.rmtree(self.folder)

    def close(self) -> None:
        self.index.close()
        self.ark.close()


@contextmanager
def _unfinished_dump(path: Path, state: DumpState) -> Iterator[_Dump]:
    try:
        dump = _Dump(path, state)
        try:
            yield dump
        finally:
            dump.close()
    except OSError as error:
        raise SqspeechError(
            f"{path}: cannot write ({error.strerror or error}); free some space or choose a writable folder"
        ) from error


def _read_or_none(folder: Path) -> DumpState | None:
    try:
        return read_state(folder)
    except DataError:
        return None


def _compute(utterances: Sequence[Utterance], config: LogMelConfig, jobs: int) -> Iterator[NDArray[np.float32] | str]:
    """Yield the log-mel of each utterance in order, or the reason why there is none."""
    # Fresh processes: a fork would copy torch's threads' locks. One thread each, also for a single job, since
    # the number of threads may change the last bit.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(config,)
    ) as pool:
        yield from track(pool.map(_compute_one, utterances, chunksize=4), "features", len(utterances))


def _start_worker(config: LogMelConfig) -> None:
    global _log_mel
    torch.set_num_threads(1)
    _log_mel = LogMel(config)


def _compute_one(utterance: Utterance) -> NDArray[np.float32] | str:
    try:
        samples = utterance.read(_log_mel.config.sample_rate)
        mel: NDArray[np.float32] = _log_mel(torch.from_numpy(samples)).numpy()
    except DataError as error:
        return str(error)
    return mel
