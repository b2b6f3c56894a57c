"""Which utterances are to be converted to which speakers, to measure conversion.

`python -m data_prep.pairs DATA PAIRS --per-speaker 2` writes lines of `utterance speaker target`, which
`sqspeech convert --list` and `sqspeech evaluate --conversion` read: from each speaker to as many others, of either
gender in turn where spk2gender has it, with the speaker's utterances in turn.
"""

from itertools import chain, cycle, islice, zip_longest
from pathlib import Path
from typing import Annotated

import typer

from data_prep.command import run
from sqspeech.atomic import write_text
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError


def pairs(data: DataDir, per_speaker: int) -> list[tuple[str, str, str]]:
    """Return utterance, speaker and target of each conversion.

    Raises
    ------
    DataError
        There is one speaker alone.
    """
    if len(data.speakers) < 2:
        raise DataError("one speaker alone has nobody to be converted to; take data of several")
    found = []
    for place, speaker in enumerate(data.speakers):
        # Those who come next, so that every speaker is a target as often as any other.
        others = data.speakers[place + 1 :] + data.speakers[:place]
        same = [other for other in others if data.spk2gender.get(other) == data.spk2gender.get(speaker)]
        different = [other for other in others if other not in same]
        turns = chain.from_iterable(zip_longest(different, same))
        targets = islice((target for target in turns if target is not None), per_speaker)
        utterances = cycle(utterance.utt_id for utterance in data if utterance.spk_id == speaker)
        found += [(next(utterances), speaker, target) for target in targets]
    return found


def main(
    data: Annotated[Path, typer.Argument(help="Kaldi data directory.")],
    output: Annotated[Path, typer.Argument(metavar="PAIRS", help="File to write.")],
    per_speaker: Annotated[int, typer.Option(min=1, help="Targets of each speaker.")] = 2,
) -> None:
    """List conversions between the speakers of a data directory."""
    found = pairs(DataDir.read(data), per_speaker)
    write_text(output, "".join(" ".join(line) + "\n" for line in found))
    print(f"{output}: {len(found)} conversions")


if __name__ == "__main__":
    run(main)
