"""One recording converted to files for several speakers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sqspeech import audio, audio_ark
from sqspeech.atomic import scratch_file, scratch_folder
from sqspeech.codec import PitchRule, TargetSpeaker, find_speaker
from sqspeech.conversion.converter import Converter, Samples
from sqspeech.conversion.requests import SOURCE, ConversionRequest
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError

type Row = dict[str, object]
# Of a recording: a row of the manifest for each target, or the reason why there are none.
type Result = list[Row] | str

# In seconds: what lasts longer stays on disk while it is converted.
LONG = 600.0


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Function of a request to its rows; the converter and the options of a run.

    Attributes
    ----------
    converter
        The model and the vocoder.
    speakers
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
    speakers: Mapping[str, TargetSpeaker]
    output: Path
    scratch: Path
    pitch: PitchRule

    def __call__(self, request: ConversionRequest, advance: Callable[[float], None] = lambda seconds: None) -> Result:
        """Write a recording for all its targets, or for none; `advance` is given the seconds that are done."""
        try:
            return self._convert(request, advance)
        except DataError as error:
            return str(error)

    def _convert(self, request: ConversionRequest, advance: Callable[[float], None]) -> list[Row]:
        utterance, rate = request.utterance, self.converter.sample_rate
        paths = [self.output / request.file_name(target) for target in request.targets]
        with self._read(utterance) as (samples, note), self._arrays(len(paths), samples) as outs:
            speakers = [self._speaker(utterance, target) for target in request.targets]
            _keep_source(utterance, paths)
            synthesizer, vocoder = self.converter.codec.synthesizer, self.converter.vocoder
            synthesizer.convert(
                outs, samples, speakers, vocoder, pitch=self.pitch, source=utterance.spk_id, advance=advance
            )
            with scratch_folder(self.scratch) as folder:
                for path, out in zip(paths, outs, strict=True):
                    audio.write(folder / path.name, out, rate)
                for path in paths:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    (folder / path.name).replace(path)
        entries = zip(request.targets, paths, speakers, strict=True)
        return [_row(utterance, target, path, note, self._note(speaker)) for target, path, speaker in entries]

    def _speaker(self, utterance: Utterance, target: str) -> TargetSpeaker:
        return find_speaker(self.converter.trained, utterance.spk_id) if target == SOURCE else self.speakers[target]

    def _note(self, speaker: TargetSpeaker) -> str:
        lost = self.pitch.kind == "target" and self.converter.vocoder.needs_excitation and speaker.pitch is None
        return "pitch kept: the target's is not known" if lost else ""

    @contextmanager
    def _read(self, utterance: Utterance) -> Iterator[tuple[Samples, str]]:
        """Yield the samples, on disk where they are long, and what was done to make them usable."""
        rate = self.converter.sample_rate
        with utterance.open() as file, ExitStack() as stack:
            long = file.seconds > LONG
            samples = file.read_to_disk(rate, self._scratch_file(stack)) if long else file.read(rate)
            yield samples, file.note(rate)

    @contextmanager
    def _arrays(self, count: int, samples: Samples) -> Iterator[Sequence[Samples]]:
        """Yield arrays of the shape of the samples, on disk where they are long in all."""
        with ExitStack() as stack:
            long = count * len(samples) > LONG * self.converter.sample_rate
            yield [
                _zeros_on_disk(self._scratch_file(stack), len(samples)) if long else np.zeros_like(samples)
                for _ in range(count)
            ]

    def _scratch_file(self, stack: ExitStack) -> IO[bytes]:
        return stack.enter_context(scratch_file(self.scratch))


def _keep_source(utterance: Utterance, paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists() and path.samefile(audio_ark.file_of(utterance.path)):
            raise DataError(f"{path}: is the recording that is to be converted; choose another folder")


def _zeros_on_disk(file: IO[bytes], length: int) -> Samples:
    # Written out: where the disk is full, that is an error, and writing to a mapped hole the end of the process.
    for start in range(0, length, audio.BLOCK):
        file.write(bytes(4 * min(audio.BLOCK, length - start)))
    file.flush()
    return np.memmap(file, np.float32, "r+")


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
