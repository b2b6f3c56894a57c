"""Speech of units on disk, with a manifest of what became of each utterance."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqspeech import audio
from sqspeech.codec import Codec, Units, UnitSet
from sqspeech.codec.rules import check_origin
from sqspeech.codec.speakers import find_speaker
from sqspeech.conversion.manifest import write_manifest
from sqspeech.conversion.requests import SOURCE, result_name
from sqspeech.corpus import DIED, Processes, Workers, map_locally_or_in_order
from sqspeech.errors import DataError
from sqspeech.failures import Failures
from sqspeech.progress import track
from sqspeech.vocoders import Vocoder


@dataclass(frozen=True, kw_only=True)
class DecodingRequest:
    """An utterance, and the speakers to decode it for."""

    utt_id: str
    targets: tuple[str, ...]


def plan_decoding(
    units: UnitSet, to: Sequence[str], list_file: Path | None, speakers: Sequence[str]
) -> list[DecodingRequest]:
    """Return what is to be decoded for whom: every utterance for all of `to`, or as a list of lines states.

    The target `all` is every one of the `speakers`. A line of a list is `utterance target`.

    Raises
    ------
    DataError
        There are targets and a list, or neither; a target is `source`; or the list is malformed or names an utterance
        that has no units.
    """
    if bool(to) == bool(list_file):
        raise DataError("give targets with --to, or a list of utterances and targets with --list; not both")
    if list_file:
        return [DecodingRequest(utt_id=utt_id, targets=(target,)) for utt_id, target in _read_list(list_file, units)]
    if SOURCE in to:
        raise DataError("--to source: units do not hold their speaker; name the speakers with --list")
    targets = [target for name in to for target in (speakers if name == "all" else [name])]
    return [DecodingRequest(utt_id=utt_id, targets=tuple(dict.fromkeys(targets))) for utt_id in units]


@dataclass(frozen=True)
class Decoding:
    """Function of units and speakers to the names of the files that were written, or the reason why none was."""

    codec: Codec
    vocoder: Vocoder
    output: Path

    def __call__(self, item: tuple[DecodingRequest, Units]) -> list[str] | str:
        """Decode an utterance for all of its targets, or for none."""
        request, units = item
        try:
            made = [self.codec.decode(units, target, vocoder=self.vocoder) for target in request.targets]
        except DataError as error:
            return str(error)
        paths = [self.output / result_name(request.utt_id, target) for target in request.targets]
        for path, (samples, rate) in zip(paths, made, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, samples, rate)
        return [path.name for path in paths]


def decode_all(
    codec: Codec,
    units: UnitSet,
    requests: Sequence[DecodingRequest],
    output: Path,
    *,
    vocoder: Vocoder | str | None = None,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
) -> tuple[int, Failures]:
    """Decode each utterance for each of its targets to `output`/<utt_id>-to-<target>.wav, and list the results.

    Parameters
    ----------
    codec
        The model that the units are from.
    units, requests
        What to decode.
    output
        The folder to write; manifest.tsv and manifest.json stand in it, too.
    vocoder
        See `Codec.decode`.
    workers
        Who decodes; the files are the same.

    Returns
    -------
    count
        How many recordings were written.
    failures
        The utterances that could not be decoded.

    Raises
    ------
    DataError
        The units are another model's, a target is unknown, or the vocoder needs a pitch.
    """
    check_origin(units.info, codec.trained)
    chosen = codec.vocoders.for_units(vocoder)
    for target in {target for request in requests for target in request.targets}:
        find_speaker(codec.trained, target)
    rows, failures = decode_rows(codec, units, requests, output, chosen, workers=workers)
    if rows:
        about = {"checkpoint": codec.trained.digest, "vocoder": chosen.name}
        write_manifest(output, about, ("utt_id", "target", "output"), rows)
    return len(rows), failures


def decode_rows(
    codec: Codec,
    units: UnitSet,
    requests: Sequence[DecodingRequest],
    output: Path,
    vocoder: Vocoder,
    *,
    workers: Workers = Processes(),  # noqa: B008 (frozen)
) -> tuple[list[dict[str, object]], Failures]:
    """Decode as `decode_all` what was checked, and return the rows of a manifest instead of writing it."""
    failures, rows = Failures(), list[dict[str, object]]()
    items = [(request, units[request.utt_id]) for request in requests]
    decoding = Decoding(codec, vocoder, output)
    with closing(map_locally_or_in_order(decoding, items, workers, died=lambda item: DIED)) as results:
        for request, result in zip(requests, track(results, "decoding", len(items)), strict=True):
            if isinstance(result, str):
                failures.add(request.utt_id, result)
                continue
            of_targets = zip(request.targets, result, strict=True)
            rows += [{"utt_id": request.utt_id, "target": target, "output": name} for target, name in of_targets]
    return rows, failures


def _read_list(path: Path, units: UnitSet) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the list ({error}); check the path") from None
    found = []
    for number, fields in ((number, line.split()) for number, line in enumerate(lines, 1) if line.strip()):
        if len(fields) != 2:
            raise DataError(f"{path}:{number}: {len(fields)} fields, expected two: utterance, target")
        if fields[0] not in units.units:
            raise DataError(f"{path}:{number}: no utterance {fields[0]} among the units; extract it, too")
        found.append((fields[0], fields[1]))
    return found
