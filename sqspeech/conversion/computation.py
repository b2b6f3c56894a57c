"""Recordings to recordings in other voices, in this process or in several."""

import pickle
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sqspeech import audio, audio_ark
from sqspeech.atomic import scratch_folder
from sqspeech.codec import PitchRule, TargetSpeaker, find_speaker
from sqspeech.conversion.converter import Converter, Samples
from sqspeech.conversion.requests import SOURCE, ConversionRequest
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.worker_pool import end_with_caller, map_in_order

type Row = dict[str, object]
# Of a recording: a row of the manifest for each target, or the reason why there are none.
type Result = list[Row] | str

# In seconds: what lasts longer stays on disk while it is converted.
LONG = 600.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """Converter and options of a run.

    Attributes
    ----------
    converter
        The model and the vocoder.
    voices
        Those that are asked for by name.
    output
        The folder of the results.
    scratch
        A folder in it for what is not finished. Whoever needs it makes it; it is the caller's to delete, because a
        process that dies cannot.
    pitch
        See `Converter.convert`.
    """

    converter: Converter
    voices: Mapping[str, TargetSpeaker]
    output: Path
    scratch: Path
    pitch: PitchRule

    def convert(self, job: ConversionRequest, advance: Callable[[float], None]) -> Result:
        """Write a recording in all its voices, or in none; `advance` is told of the seconds that are done."""
        try:
            return self._convert(job, advance)
        except DataError as error:
            return str(error)

    def _convert(self, job: ConversionRequest, advance: Callable[[float], None]) -> list[Row]:
        utterance, rate = job.utterance, self.converter.sample_rate
        paths = [self.output / job.file_name(target) for target in job.targets]
        with self._samples(utterance) as samples, self._room(len(paths), samples) as outs:
            voices = [self._voice(utterance, target) for target in job.targets]
            _keep_source(utterance, paths)
            self.converter.convert_into(
                outs, samples, voices, pitch=self.pitch, source=utterance.spk_id, advance=advance
            )
            with scratch_folder(self.scratch) as folder:
                for path, out in zip(paths, outs, strict=True):
                    audio.write(folder / path.name, out, rate)
                for path in paths:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    (folder / path.name).replace(path)
        entries = zip(job.targets, paths, voices, strict=True)
        note = audio.note(utterance.path, rate)
        return [_row(utterance, target, path, note, self._note(voice)) for target, path, voice in entries]

    def _voice(self, utterance: Utterance, target: str) -> TargetSpeaker:
        return find_speaker(self.converter.trained, utterance.spk_id) if target == SOURCE else self.voices[target]

    def _note(self, voice: TargetSpeaker) -> str:
        lost = self.pitch.kind == "target" and self.converter.vocoder.needs_excitation and voice.pitch is None
        return "pitch kept: the target's is not known" if lost else ""

    @contextmanager
    def _samples(self, utterance: Utterance) -> Iterator[Samples]:
        rate = self.converter.sample_rate
        if utterance.seconds() <= LONG:
            yield utterance.read(rate)
            return
        with scratch_folder(self.scratch) as folder:
            yield audio.read_to_disk(utterance.path, rate, folder / "source", utterance.start, utterance.end)

    @contextmanager
    def _room(self, count: int, samples: Samples) -> Iterator[Sequence[Samples]]:
        """Yield arrays of the shape of the samples, on disk where they are long in all."""
        if count * len(samples) <= LONG * self.converter.sample_rate:
            yield [np.zeros_like(samples) for _ in range(count)]
            return
        with scratch_folder(self.scratch) as folder:
            yield [_zeros_on_disk(folder / str(number), len(samples)) for number in range(count)]


def convert_each(
    work: Work, jobs: Sequence[ConversionRequest], *, processes: int, advance: Callable[[float], None]
) -> Generator[Result, None, None]:
    """Yield the result of each job, in order; `advance` is told of the seconds that are done."""
    if processes == 1:
        for job in jobs:
            yield work.convert(job, advance)
        return
    shared = map_in_order(
        _convert_in_worker,
        jobs,
        jobs=processes,
        initializer=_start_worker,
        # A copy of the model, and not its checkpoint once more: that may be another one by now.
        initargs=(pickle.dumps(work),),
        died=_died,
    )
    with closing(shared):
        for job, result in zip(jobs, shared, strict=True):
            advance(job.seconds())
            yield result


def _keep_source(utterance: Utterance, paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists() and path.samefile(audio_ark.file_of(utterance.path)):
            raise DataError(f"{path}: is the recording that is to be converted; choose another folder")


def _zeros_on_disk(path: Path, length: int) -> Samples:
    # Written out: where the disk is full, that is an error, and writing to a mapped hole the end of the process.
    with path.open("wb") as file:
        for start in range(0, length, audio.BLOCK):
            file.write(bytes(4 * min(audio.BLOCK, length - start)))
    return np.memmap(path, np.float32, "r+")


def _row(utterance: Utterance, target: str, path: Path, *notes: str) -> Row:
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


def _died(job: ConversionRequest) -> Result:
    reason = "the process that converted it died, for want of memory or by a fault in the decoder; look at the file"
    return f"{job.utterance.path}: {reason}"


_worker: Work


def _start_worker(pickled: bytes) -> None:
    global _worker
    end_with_caller()
    torch.set_num_threads(1)
    _worker = pickle.loads(pickled)  # noqa: S301 (from the parent)


def _convert_in_worker(job: ConversionRequest) -> Result:
    return _worker.convert(job, lambda seconds: None)
