"""Split a Kaldi data directory into train, dev and test, and leave speakers out of all three.

`python -m data_prep.split SOURCE DATA_DIR`: in each speaker's sorted utterances every tenth from the first is
test, every tenth from the sixth is dev, and the rest is train. All utterances of a speaker that `--unseen` names are in
`unseen`.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from data_prep.command import run
from data_prep.phones import filter_item
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError

PERIOD = 10
SET_AT = {0: "test", 5: "dev"}
UNSEEN = "unseen"


def split(source: Path, data_dir: Path, unseen: Collection[str] = ()) -> dict[str, DataDir]:
    """Write `data_dir`/{train,dev,test,unseen} and return them by name; `source`'s `phones.item` is split along.

    Raises
    ------
    DataError
        `source` is no valid data directory, or has no such speaker.
    SqspeechError
        `data_dir` cannot be written.
    """
    corpus = DataDir.read(source)
    unknown = sorted(set(unseen) - set(corpus.speakers))
    if unknown:
        raise DataError(f"--unseen {unknown[0]}: {source} has no such speaker; see its spk2utt")
    ids = {speaker: [u.utt_id for u in corpus if u.spk_id == speaker] for speaker in corpus.speakers}
    names = {
        utt_id: UNSEEN if speaker in unseen else SET_AT.get(index % PERIOD, "train")
        for speaker, utt_ids in ids.items()
        for index, utt_id in enumerate(utt_ids)
    }
    sets = corpus.split(lambda utterance: names[utterance.utt_id])
    for name, part in sets.items():
        part.write(data_dir / name)
        item = data_dir / name / "phones.item"
        item.unlink(missing_ok=True)
        if (source / "phones.item").exists():
            filter_item(source / "phones.item", item, {utterance.utt_id for utterance in part})
    return sets


def main(
    source: Annotated[Path, typer.Argument(help="Kaldi data directory to split.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train/, dev/, test/ and unseen/ into.")],
    unseen: Annotated[list[str], typer.Option(metavar="SPEAKER", help="Left out of the others; repeatable.")] = [],  # noqa: B006
) -> None:
    """Split a Kaldi data directory into train, dev and test, speaker by speaker."""
    sets = split(source, data_dir, unseen)
    for name in ("train", "dev", "test", UNSEEN):
        if name in sets:
            print(f"{data_dir / name}: {len(sets[name])} utterances, {len(sets[name].speakers)} speakers")


if __name__ == "__main__":
    run(main)
