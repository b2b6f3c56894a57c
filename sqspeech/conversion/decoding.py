"""Speech of units on disk, with a manifest of what became of each utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqspeech import audio
from sqspeech.codec import Codec, UnitSet
from sqspeech.codec.rules import check_origin
from sqspeech.codec.speakers import find_speaker
from sqspeech.conversion.manifest import write_manifest
from sqspeech.conversion.requests import SOURCE, result_name
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
    """Return what is to be decoded for whom: every utterance for all of `to`, or what a list of lines says.

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


def decode_all(
    codec: Codec, units: UnitSet, requests: Sequence[DecodingRequest], output: Path, *, vocoder: Vocoder | str | None
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
    chosen = codec.vocoder_for_units(vocoder)
    for target in {target for request in requests for target in request.targets}:
        find_speaker(codec.trained, target)
    failures, rows = Failures(), list[dict[str, object]]()
    for request in track(requests, "decoding", len(requests)):
        with failures.skipping(request.utt_id):
            made = [(target, codec.decode(units[request.utt_id], target, vocoder=chosen)) for target in request.targets]
            for target, (samples, rate) in made:
                path = output / result_name(request.utt_id, target)
                path.parent.mkdir(parents=True, exist_ok=True)
                audio.write(path, samples, rate)
                rows.append({"utt_id": request.utt_id, "target": target, "output": path.name})
    if rows:
        about = {"checkpoint": codec.trained.digest, "vocoder": chosen.name}
        write_manifest(output, about, ("utt_id", "target", "output"), rows)
    return len(rows), failures


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
