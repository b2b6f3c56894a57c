"""Compute the features of a data directory: in several processes, on several hosts, stopped and continued."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import batched
from pathlib import Path

import torch

from sqspeech.atomic import write_text
from sqspeech.corpus import Processes, Shard, Workers
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_ark import Entry, GrowingArk, concatenate, is_whole, read_index
from sqspeech.data.feature_computation import compute
from sqspeech.data.feature_store import STATE_NAME, DumpState, check_same_features, read_state
from sqspeech.data.speaker_pitch import write_speaker_pitch
from sqspeech.data.tables import read_table, write_table
from sqspeech.errors import cannot_write
from sqspeech.failures import Failures
from sqspeech.features import LogMelConfig
from sqspeech.lock import locked
from sqspeech.progress import track

SKIPPED_NAME, NOTES_NAME = "skipped", "notes"
# Of what is not finished: another is not continued.
LAYOUT = "with versions"
# The version of each recording: see `Utterance.version`.
VERSIONS_NAME = "utt2version"
# On a GPU so many utterances are computed together. What is computed with what is fixed by the data directory, so
# that the bytes are too; on the CPU each utterance is computed alone.
UTTERANCES_AT_ONCE = 32


def extract_features(
    data: DataDir,
    path: Path,
    config: LogMelConfig,
    *,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
    device: torch.device = torch.device("cpu"),  # noqa: B008 (immutable)
    shard: Shard | None = None,
) -> tuple[int, Failures]:
    """Write the log-mels of `data` to the dump folder `path`.

    The folder becomes a Kaldi data directory with feats.scp, feats.ark, utt2num_frames, features.json, spk2pitch
    (see `speaker_pitch`), utt2version, `skipped` with the reason for each utterance that is left out, and `notes` where
    audio was mended. Its bytes depend on the data, the configuration and the kind of device alone: not on the workers,
    on how often the run was stopped and continued, or on what was done in shards.

    With a `shard`, only its utterances are computed, and set aside in the folder. A call without one then puts
    together what all shards have computed, and computes what is missing.

    A finished dump is left alone, except that what had to be skipped is tried again, and that a recording whose size or
    time of change differs is computed again.

    Returns
    -------
    done
        How many utterances of the data, or of the shard, have features.
    failures
        The others, and the notes.

    Raises
    ------
    DataError
        The folder holds features of another configuration.
    SqspeechError
        The folder cannot be written, or another run is writing there.
    """
    state = DumpState(config=config, fingerprint=_fingerprint(data))
    _refuse_other_features(path, config)
    work = path / ".unfinished"
    folder = work / hashlib.sha256((LAYOUT + state.to_json()).encode()).hexdigest()[:16]
    with ExitStack() as stack, _writing(path):
        stack.enter_context(locked(work / "lock", shared=shard is not None))
        part = folder / (f"part-{shard.index}-of-{shard.count}" if shard else "part")
        if shard:
            stack.enter_context(locked(part / "lock"))
        finished = _finished_entries(path, state)
        done = _unchanged([*_parts(folder), finished], data)
        blocks = list(batched(data, UTTERANCES_AT_ONCE if device.type == "cuda" else 1))
        mine = shard.of(blocks) if shard else blocks
        failures = _add_missing(part, mine, done, config, workers=workers, device=device)
        if shard:
            return sum(u.utt_id in done for block in mine for u in block), failures
        if done and done != finished:
            _finish(path, folder, data, state, done, failures, workers)
        shutil.rmtree(work)
    if not done:
        with suppress(OSError):  # it was not empty before
            path.rmdir()
    failures.notes.update((utt_id, entry.note) for utt_id, entry in done.items() if entry.note)
    return len(done), failures


def _refuse_other_features(path: Path, config: LogMelConfig) -> None:
    """Raise a DataError if the dump is finished and holds features of another configuration."""
    if (path / STATE_NAME).exists():
        check_same_features(path, read_state(path).config, config)


def _fingerprint(data: DataDir) -> str:
    # As Path.absolute() has it, which takes long where paths are absolute.
    paths = (text if (text := str(u.path)).startswith("/") else str(u.path.absolute()) for u in data)
    lines = [f"{u.utt_id} {u.spk_id} {path} {u.start} {u.end}\n" for u, path in zip(data, paths, strict=True)]
    return hashlib.sha256("".join(lines).encode(errors="surrogatepass")).hexdigest()


def _finished_entries(path: Path, state: DumpState) -> dict[str, Entry]:
    """Return what a finished dump of the same data holds; nothing where there is none."""
    if not (path / STATE_NAME).exists() or read_state(path) != state:
        return {}
    ark, frames = path / "feats.ark", read_table(path / "utt2num_frames")
    notes, versions = (
        read_table(path / name) if (path / name).exists() else {} for name in (NOTES_NAME, VERSIONS_NAME)
    )
    offsets = {utt: int(location.rpartition(":")[2]) for utt, location in read_table(path / "feats.scp").items()}
    starts = {utt: offset - len(utt.encode()) - 1 for utt, offset in offsets.items()}
    ends = [*list(starts.values())[1:], ark.stat().st_size]
    return {
        utt: Entry(
            ark=ark,
            start=starts[utt],
            offset=offsets[utt],
            end=end,
            frames=int(frames[utt]),
            note=notes.get(utt, ""),
            version=versions.get(utt, ""),
        )
        for utt, end in zip(offsets, ends, strict=True)
    }


def _parts(folder: Path) -> list[dict[str, Entry]]:
    return [read_index(part) for part in sorted(folder.glob("part*"))]


def _unchanged(found: Sequence[Mapping[str, Entry]], data: DataDir) -> dict[str, Entry]:
    """Return what was found of each utterance and is of its recording as that is now, as far as this is known."""
    versions = {utterance.utt_id: utterance.version() for utterance in data} if any(found) else {}
    return {
        utt: entry
        for entries in found
        for utt, entry in entries.items()
        if not (entry.version and versions.get(utt)) or entry.version == versions[utt]
    }


def _add_missing(
    part: Path,
    blocks: Sequence[tuple[Utterance, ...]],
    done: dict[str, Entry],
    config: LogMelConfig,
    *,
    workers: Workers,
    device: torch.device,
) -> Failures:
    """Compute what `done` lacks of the blocks, append it to the ark in `part`, and enter it into `done`."""
    failures = Failures()
    missing = [block for block in blocks if any(utterance.utt_id not in done for utterance in block)]
    if not missing:
        return failures
    ark = GrowingArk(part)
    with closing(ark), closing(compute(missing, config, workers=workers, device=device)) as results:
        for utterance, result in track(results, "features", sum(map(len, missing))):
            if result.mel is None:
                failures.add(utterance.utt_id, result.reason)
            elif utterance.utt_id not in done:
                ark.append(utterance.utt_id, result.mel, result.note, result.version)
                done[utterance.utt_id] = ark.entries[utterance.utt_id]
    return failures


def _finish(
    path: Path,
    folder: Path,
    data: DataDir,
    state: DumpState,
    done: Mapping[str, Entry],
    failures: Failures,
    workers: Workers,
) -> None:
    entries = {utterance.utt_id: done[utterance.utt_id] for utterance in data if utterance.utt_id in done}
    whole = next(iter(entries.values())).ark
    if not is_whole(list(entries.values())):
        entries = concatenate(entries, folder / "part-all")
        whole = folder / "part-all" / whole.name
    # Without features.json the dump is unfinished, whatever else is there; the parts stay until it is back.
    (path / STATE_NAME).unlink(missing_ok=True)
    used = data.subset(entries)
    used.write(path)
    write_speaker_pitch(path, used, {utt: entry.frames for utt, entry in entries.items()}, state.config, workers)
    ark = path / "feats.ark"
    write_table(path / "feats.scp", {utt: f"{ark}:{entry.offset}" for utt, entry in entries.items()})
    write_table(path / "utt2num_frames", {utt: str(entry.frames) for utt, entry in entries.items()})
    versions = {utt: entry.version for utt, entry in entries.items() if entry.version}
    write_table(path / VERSIONS_NAME, versions)
    write_table(path / SKIPPED_NAME, failures.reasons)
    write_table(path / NOTES_NAME, {utt: entry.note for utt, entry in entries.items() if entry.note})
    _link(whole, ark)
    write_text(path / STATE_NAME, state.to_json())


def _link(source: Path, target: Path) -> None:
    """Give `source` the name `target` too, or move it where the file system has no links."""
    beside = source.with_name("linked")
    beside.unlink(missing_ok=True)
    try:
        beside.hardlink_to(source)
    except OSError:
        beside = source
    beside.replace(target)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error
