"""Recordings to convert, their targets, and the files to write."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.names import LONGEST, file_name

# The target that stands for the utterance's own speaker.
SOURCE = "source"


@dataclass(frozen=True, kw_only=True)
class ConversionRequest:
    """A recording, and the names of the speakers that it is to be converted to."""

    utterance: Utterance
    targets: tuple[str, ...]

    def file_name(self, target: str) -> str:
        """Return the name of the file for a target; see `result_name`."""
        return result_name(self.utterance.utt_id, target)

    def seconds(self) -> float:
        """Return how much speech becomes of it; 0 where the recording cannot be read."""
        try:
            return self.utterance.seconds() * len(self.targets)
        except DataError:
            return 0.0  # it is reported when its turn comes


def result_name(utt_id: str, target: str) -> str:
    """Return the name of the file of an utterance for a target, in which `_` stands for what joins a mixture."""
    speaker = file_name(re.sub(r"[^\w.+-]", "_", target), longest=LONGEST // 2)
    return file_name(utt_id, f"-to-{speaker}.wav")


def check_names(requests: Sequence[ConversionRequest]) -> None:
    """Raise DataError where two results would have the same file."""
    known = dict[str, str]()
    for request in requests:
        for target in request.targets:
            own, name = f"{request.utterance.utt_id} to {target}", request.file_name(target)
            if name in known:
                both = f"{known[name]} and {own}" if known[name] != own else f"{own}, asked for twice,"
                raise DataError(f"{name}: {both} would be the same file; leave one out or write it to another folder")
            known[name] = own


def plan(
    utterances: Sequence[Utterance], to: Sequence[str], list_file: Path | None, speakers: Sequence[str]
) -> list[ConversionRequest]:
    """Return what is to be converted to what: every utterance to all of `to`, or as a list states.

    The target `all` is every one of the `speakers`.

    Raises
    ------
    DataError
        There are targets and a list, or neither; or the list is malformed (see `read_list`).
    """
    if bool(to) == bool(list_file):
        raise DataError("give targets with --to, or a list of utterances and targets with --list; not both")
    if list_file:
        return read_list(list_file, utterances)
    targets = [target for name in to for target in (speakers if name == "all" else [name])]
    return [ConversionRequest(utterance=utterance, targets=tuple(dict.fromkeys(targets))) for utterance in utterances]


def read_list(path: Path, utterances: Sequence[Utterance]) -> list[ConversionRequest]:
    """Return the requests of a list of `utt_id speaker target` lines, `-` for a speaker that the model does not know.

    An utterance may stand on several lines.

    Raises
    ------
    DataError
        The list cannot be read, a line has not three fields, or names an utterance that is not among those given.
    """
    known, requests = {utterance.utt_id: utterance for utterance in utterances}, list[ConversionRequest]()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the list ({error}); check the path") from None
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 3:
            raise DataError(f"{path}:{number}: {len(fields)} fields, expected three: utterance, speaker, target")
        utt_id, speaker, target = fields
        if utt_id not in known:
            raise DataError(f"{path}:{number}: no utterance {utt_id} among the inputs; name its recording, too")
        source = known[utt_id] if speaker == "-" else replace(known[utt_id], spk_id=speaker)
        requests.append(ConversionRequest(utterance=source, targets=(target,)))
    return requests
