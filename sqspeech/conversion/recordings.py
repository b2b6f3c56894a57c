"""Conversion of many recordings to many voices, with a manifest of what became of each."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sqspeech import audio
from sqspeech.atomic import scratch_folder, write_text
from sqspeech.conversion.converter import Converter, Samples
from sqspeech.conversion.voices import Voice, find_voice
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.failures import Failures
from sqspeech.progress import progress_bar

COLUMNS = ("utt_id", "speaker", "source", "start", "end", "target", "output", "note")
# The target that stands for the utterance's own speaker.
SOURCE = "source"
# In seconds: what lasts longer stays on disk while it is converted.
LONG = 600.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recording, and the names of the voices that it is to be converted to."""

    utterance: Utterance
    targets: tuple[str, ...]


def convert_all(
    converter: Converter, jobs: Sequence[Job], output: Path, *, pitch: str = "target"
) -> tuple[int, Failures]:
    """Convert each recording to each of its targets, and list the results in manifest.tsv and manifest.json.

    The target `source` is the utterance's own speaker: the reconstruction.

    Parameters
    ----------
    converter
        The model and the vocoder.
    jobs
        What to convert.
    output
        The folder to write: <utt_id>-to-<target>.wav, where what a file name should not have is `_`.
    pitch
        See `Converter.convert`.

    Returns
    -------
    count
        How many recordings were written.
    failures
        What could not be converted.

    Raises
    ------
    DataError
        The model does not know a target.
    """
    named = sorted({target for job in jobs for target in job.targets} - {SOURCE})
    voices = {target: find_voice(converter.trained, target) for target in named}
    failures, rows = Failures(), list[dict[str, object]]()
    with progress_bar() as bar:
        task = bar.add_task("converting (s)", total=round(sum(map(_seconds, jobs))), status="")
        for job in jobs:
            utterance = job.utterance
            with failures.skipping(utterance.utt_id), _samples(utterance, converter.sample_rate, output) as samples:
                own = {SOURCE: find_voice(converter.trained, utterance.spk_id)} if SOURCE in job.targets else {}
                spoken = {target: (voices | own)[target] for target in job.targets}
                paths = [output / _file_name(utterance, target) for target in spoken]
                pairs = list(zip(paths, spoken.values(), strict=True))
                _convert(converter, utterance, samples, pairs, pitch, partial(bar.advance, task))
                for target, (path, voice) in zip(spoken, pairs, strict=True):
                    lost = pitch == "target" and converter.vocoder.needs_excitation and voice.pitch is None
                    rows.append(_row(utterance, target, path, "pitch kept: the target's is not known" if lost else ""))
    if rows:
        about = {"checkpoint": converter.trained.digest, "vocoder": converter.vocoder.name, "pitch": pitch}
        write_text(output / "manifest.json", json.dumps({**about, "recordings": rows}, indent=2) + "\n")
        write_text(output / "manifest.tsv", _tsv(rows))
    return len(rows), failures


@contextmanager
def _samples(utterance: Utterance, sample_rate: int, output: Path) -> Iterator[Samples]:
    if utterance.seconds() <= LONG:
        yield utterance.read(sample_rate)
        return
    with scratch_folder(output) as folder:
        yield audio.read_to_disk(utterance.path, sample_rate, folder / "source", utterance.start, utterance.end)


def _convert(
    converter: Converter,
    utterance: Utterance,
    samples: Samples,
    pairs: Sequence[tuple[Path, Voice]],
    pitch: str,
    advance: Callable[[float], None],
) -> None:
    paths, voices = zip(*pairs, strict=True)
    for path in paths:
        if path.exists() and path.samefile(utterance.path):
            raise DataError(f"{path}: is the recording that is to be converted; choose another folder")
    with _room_for(len(paths), samples, paths[0].parent, converter.sample_rate) as outs:
        converter.convert_into(outs, samples, voices, pitch=pitch, source=utterance.spk_id, advance=advance)
        for path, out in zip(paths, outs, strict=True):
            audio.write(path, out, converter.sample_rate)


@contextmanager
def _room_for(count: int, samples: Samples, output: Path, sample_rate: int) -> Iterator[Sequence[Samples]]:
    """Yield arrays of the shape of the samples, on disk where they are long in all."""
    if count * len(samples) <= LONG * sample_rate:
        yield [np.zeros_like(samples) for _ in range(count)]
        return
    with scratch_folder(output) as folder:
        yield [_zeros_on_disk(folder / str(number), len(samples)) for number in range(count)]


def _zeros_on_disk(path: Path, length: int) -> Samples:
    # Written out: where the disk is full, that is an error, and writing to a mapped hole the end of the process.
    with path.open("wb") as file:
        for start in range(0, length, audio.BLOCK):
            file.write(bytes(4 * min(audio.BLOCK, length - start)))
    return np.memmap(path, np.float32, "r+")


def _file_name(utterance: Utterance, target: str) -> str:
    return f"{utterance.utt_id}-to-{re.sub(r'[^\w.+-]', '_', target)}.wav"


def _seconds(job: Job) -> float:
    try:
        return job.utterance.seconds() * len(job.targets)
    except DataError:
        return 0.0  # it is reported when its turn comes


def _row(utterance: Utterance, target: str, path: Path, note: str) -> dict[str, object]:
    channels = audio.probe(utterance.path).channels
    notes = [note, f"{channels} channels mixed down" if channels > 1 else ""]
    return {
        "utt_id": utterance.utt_id,
        "speaker": utterance.spk_id,
        "source": str(utterance.path.absolute()),
        "start": utterance.start,
        "end": utterance.end,
        "target": target,
        "output": path.name,
        "note": "; ".join(filter(None, notes)),
    }


def _tsv(rows: Sequence[Mapping[str, object]]) -> str:
    lines = [COLUMNS, *(["" if row[name] is None else str(row[name]) for name in COLUMNS] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def plan(
    utterances: Sequence[Utterance], to: Sequence[str], jobs_list: Path | None, speakers: Sequence[str]
) -> list[Job]:
    """Return what is to be converted to what: every utterance to all of `to`, or what a list says.

    The target `all` is every one of the `speakers`.

    Raises
    ------
    DataError
        There are targets and a list, or neither; or the list is malformed (see `read_list`).
    """
    if bool(to) == bool(jobs_list):
        raise DataError("give targets with --to, or a list of utterances and targets with --list; not both")
    if jobs_list:
        return read_list(jobs_list, utterances)
    targets = [target for name in to for target in (speakers if name == "all" else [name])]
    return [Job(utterance=utterance, targets=tuple(dict.fromkeys(targets))) for utterance in utterances]


def read_list(path: Path, utterances: Sequence[Utterance]) -> list[Job]:
    """Return the jobs of a list of `utt_id speaker target` lines, `-` for a speaker that the model does not know.

    An utterance may stand on several lines.

    Raises
    ------
    DataError
        The list cannot be read, a line has not three fields, or names an utterance that is not among those given.
    """
    known, jobs = {utterance.utt_id: utterance for utterance in utterances}, list[Job]()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the list ({error}); check the path") from None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if len(fields) != 3:
            raise DataError(f"{path}:{number}: {len(fields)} fields, expected three: utterance, speaker, target")
        utt_id, speaker, target = fields
        if utt_id not in known:
            raise DataError(f"{path}:{number}: no utterance {utt_id} among the inputs; name its recording, too")
        source = known[utt_id] if speaker == "-" else replace(known[utt_id], spk_id=speaker)
        jobs.append(Job(utterance=source, targets=(target,)))
    return jobs
