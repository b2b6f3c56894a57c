"""Conversion of many recordings to many speakers, with a manifest of the results."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from sqspeech.atomic import scratch_path
from sqspeech.codec import PitchRule, find_speaker
from sqspeech.conversion.computation import Conversion, Result, Row
from sqspeech.conversion.converter import Converter
from sqspeech.conversion.manifest import write_manifest
from sqspeech.conversion.requests import SOURCE, ConversionRequest, check_names
from sqspeech.corpus import DIED, Processes, Workers, map_in_order
from sqspeech.failures import Failures
from sqspeech.progress import progress_bar

COLUMNS = ("utt_id", "speaker", "source", "start", "end", "target", "output", "note")


def convert_all(
    converter: Converter,
    requests: Sequence[ConversionRequest],
    output: Path,
    *,
    pitch: PitchRule | str = "target",
    workers: Workers = Processes(),  # noqa: B008 (frozen)
) -> tuple[int, Failures]:
    """Convert each recording to each of its targets, and list the results in manifest.tsv and manifest.json.

    The target `source` is the utterance's own speaker: the reconstruction.

    Parameters
    ----------
    converter
        The model and the vocoder.
    requests
        What to convert.
    output
        The folder to write: <utt_id>-to-<target>.wav (see `ConversionRequest.file_name`).
    pitch
        See `Converter.convert`.
    workers
        Who share the recordings; the files are the same. Where there are several, each has a copy of the converter and
        computes with one thread; one process is this one.

    Returns
    -------
    count
        How many recordings were written.
    failures
        What could not be converted.

    Raises
    ------
    DataError
        The model does not know a target, or two results would have the same file.
    """
    rule = PitchRule.parse(pitch)
    check_names(requests)
    named = sorted({target for request in requests for target in request.targets} - {SOURCE})
    speakers = {target: find_speaker(converter.trained, target) for target in named}
    failures, rows = Failures(), list[Row]()
    with scratch_path(output) as scratch, progress_bar() as bar:
        lengths = [request.seconds() for request in requests]
        task = bar.add_task("converting (s)", total=round(sum(lengths)), status="")
        conversion = Conversion(converter=converter, speakers=speakers, output=output, scratch=scratch, pitch=rule)
        results = _convert_each(conversion, requests, lengths, workers, partial(bar.advance, task))
        for request, result in zip(requests, results, strict=True):
            if isinstance(result, str):
                failures.add(request.utterance.utt_id, result)
            else:
                rows += result
                failures.notes.update((request.utterance.utt_id, str(row["note"])) for row in result if row["note"])
    if rows:
        about = {"checkpoint": converter.trained.digest, "vocoder": converter.vocoder.name, "pitch": str(rule)}
        write_manifest(output, about, COLUMNS, rows)
    return len(rows), failures


def _convert_each(
    conversion: Conversion,
    requests: Sequence[ConversionRequest],
    lengths: Sequence[float],
    workers: Workers,
    advance: Callable[[float], None],
) -> Iterator[Result]:
    if isinstance(workers, Processes) and workers.jobs == 1:
        yield from (conversion(request, advance) for request in requests)
        return
    with closing(map_in_order(conversion, requests, workers, died=_died)) as shared:
        for seconds, result in zip(lengths, shared, strict=True):
            advance(seconds)
            yield result


def _died(request: ConversionRequest) -> Result:
    return f"{request.utterance.path}: {DIED}"
