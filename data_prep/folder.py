"""Any corpus: a folder a speaker, a LibriSpeech tree, or a table of recordings.

`python -m data_prep.folder CORPUS DATA_DIR` writes the Kaldi data directories `train`, `dev` and `test`. CORPUS is

- a LibriSpeech or LibriTTS tree, of any number of subsets, or a part of one;
- a tree like VCTK: `wav48/p225/p225_001.wav`, with its text in `txt/p225/p225_001.txt`;
- a folder with a folder a speaker, recordings at any depth below, and the text of `x.wav` in `x.txt` beside it;
- a folder of recordings, whose speakers begin their names (`p225_001.wav`) or are one;
- a `.csv` or `.tsv` with the columns `path` and `speaker` (see `data_prep.csv_corpus`).

The report names the layout that was recognised; `--layout` chooses another.
"""

from pathlib import Path
from typing import Annotated

import typer

from data_prep import csv_corpus
from data_prep.command import run
from data_prep.held_out import Shares
from data_prep.inventory import Inventory
from data_prep.layouts import Layout, describe, examples, recognise, recordings
from data_prep.recordings import NOBODY, SETS, collect
from sqspeech.data.folder_walk import Listing, list_folder
from sqspeech.errors import DataError
from sqspeech.names import shown


def prepare(corpus: Path, data_dir: Path, shares: Shares, layout: Layout | None = None) -> Inventory:
    """Write `data_dir`/{train,dev,test} and the reports, and return what is in them and what was left out.

    Raises
    ------
    DataError
        `corpus` is not there, is no folder or table, or has no usable recording.
    SqspeechError
        `data_dir` cannot be written.
    """
    inventory, corpus = Inventory(), corpus.absolute()
    if corpus.is_file() and corpus.suffix.lower() in (".csv", ".tsv"):
        if layout:
            raise DataError(f"{corpus}: a table names the speakers, so that --layout {layout} has no use; leave it out")
        collect(csv_corpus.recordings(corpus, inventory), shares, inventory)
    else:
        listing = _list(corpus, inventory)
        layout = layout or recognise(listing)
        collect(recordings(layout, listing, inventory), shares, inventory)
        inventory.heading.append(describe(layout))
    inventory.heading += examples(utterance for part in inventory.sets.values() for utterance in part)
    inventory.write(data_dir, SETS)
    return inventory


def _list(corpus: Path, inventory: Inventory) -> Listing:
    if not corpus.is_dir():
        fault = "neither a folder nor a .csv or .tsv; unpack an archive first" if corpus.exists() else "no such folder"
        raise DataError(f"{corpus}: {fault}; check the path")
    listing = list_folder(corpus)
    listing.check()
    for left in listing.left_out:
        inventory.skip(shown(left.path.relative_to(corpus)), NOBODY, left.reason, left.detail)
    return listing


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder of recordings in a layout that is known, or .csv/.tsv.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train/, dev/ and test/ into.")],
    dev_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each speaker held out for dev.")] = 0.05,
    test_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each speaker held out for test.")] = 0.05,
    layout: Annotated[Layout | None, typer.Option(help="Of the folder; recognised where it is not given.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail when a recording was left out.")] = False,
) -> None:
    """Prepare any corpus: a folder whose layout is recognised, or a table with the columns path and speaker."""
    if dev_share + test_share >= 1:
        raise typer.BadParameter("with --test-share it leaves nothing for training", param_hint="--dev-share")
    inventory = prepare(corpus, data_dir, Shares(dev=dev_share, test=test_share), layout)
    print(inventory.text(), end="")
    if strict:
        inventory.refuse_skips(data_dir)


if __name__ == "__main__":
    run(main)
