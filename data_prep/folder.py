"""Any corpus: a folder a speaker, a LibriSpeech tree, or a table of recordings.

`python -m data_prep.folder CORPUS DATA_DIR` writes the Kaldi data directories `train`, `dev` and `test`. CORPUS is

- a folder with a folder a speaker, recordings at any depth below, and the text of `x.wav` in `x.txt` beside it;
- a LibriSpeech tree, or a part of one, known by its `*.trans.txt` (see `data_prep.librispeech`);
- a `.csv` or `.tsv` with the columns `path` and `speaker` (see `data_prep.csv_corpus`).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from data_prep import csv_corpus, librispeech
from data_prep.command import run
from data_prep.held_out import Shares
from data_prep.inventory import Inventory
from data_prep.recordings import NOBODY, SETS, Recording, collect, spoken
from sqspeech.data.folder_walk import list_folder
from sqspeech.errors import DataError
from sqspeech.names import shown


def prepare(corpus: Path, data_dir: Path, shares: Shares) -> Inventory:
    """Write `data_dir`/{train,dev,test} and the reports, and return what is in them and what was left out.

    Raises
    ------
    DataError
        `corpus` is not there, is no folder or table, or has no usable recording.
    SqspeechError
        `data_dir` cannot be written.
    """
    inventory = Inventory()
    collect(_recordings(corpus.absolute(), inventory), shares, inventory)
    inventory.write(data_dir, SETS)
    return inventory


def _recordings(corpus: Path, inventory: Inventory) -> Iterator[Recording]:
    if corpus.is_file() and corpus.suffix.lower() in (".csv", ".tsv"):
        return csv_corpus.recordings(corpus, inventory)
    if not corpus.is_dir():
        fault = "neither a folder nor a .csv or .tsv; unpack an archive first" if corpus.exists() else "no such folder"
        raise DataError(f"{corpus}: {fault}; check the path")
    listing = list_folder(corpus)
    listing.check()
    for left in listing.left_out:
        inventory.skip(shown(left.path.relative_to(corpus)), NOBODY, left.reason, left.detail)
    # Of a recording in several formats the first counts.
    files, paths = listing.files, [*listing.recordings, *listing.twins]
    transcripts = librispeech.chapters(files)
    if transcripts:
        return librispeech.recordings(corpus, paths, transcripts, inventory)
    return _by_folder(corpus, paths, files, inventory)


def _by_folder(corpus: Path, paths: Iterable[Path], files: Iterable[Path], inventory: Inventory) -> Iterator[Recording]:
    texts = {path.with_suffix(""): path for path in files if path.suffix.lower() == ".txt"}
    unread: set[Path] = set()
    flat: dict[str, bool] = {}
    for path in paths:
        speaker, *rest = path.relative_to(corpus).parts
        name = shown(path.relative_to(corpus))
        if not rest:
            remedy = "put it into a folder with its speaker's name, or list path and speaker in a .csv"
            inventory.skip(name, NOBODY, "not in a speaker's folder", remedy)
            continue
        flat[speaker] = flat.get(speaker, False) or len(rest) == 1
        text = _text(texts.get(path.with_suffix("")), unread)
        label = str(Path(*rest).with_suffix(""))
        yield Recording(name=name, speaker=speaker, label=label, path=path, text=text)
    if unread:
        inventory.remarks.append(f"texts that are not UTF-8, so left out: {len(unread)}, such as {shown(min(unread))}")
    if list(flat.values()) == [False]:
        only = shown(*flat)
        inventory.remarks.append(f"one speaker, {only}; if the folders in it are the speakers, give {corpus / only}")


def _text(path: Path | None, unread: set[Path]) -> str | None:
    try:
        return spoken(path.read_text(encoding="utf-8-sig")) if path else None
    except (OSError, UnicodeDecodeError):
        unread |= {path} if path else set()
        return None


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder with a folder a speaker, LibriSpeech tree, or .csv/.tsv.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train/, dev/ and test/ into.")],
    dev_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each speaker held out for dev.")] = 0.05,
    test_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each speaker held out for test.")] = 0.05,
    strict: Annotated[bool, typer.Option("--strict", help="Fail when a recording was left out.")] = False,
) -> None:
    """Prepare any corpus: a folder a speaker, a LibriSpeech tree, or a table with the columns path and speaker."""
    if dev_share + test_share >= 1:
        raise typer.BadParameter("with --test-share it leaves nothing for training", param_hint="--dev-share")
    inventory = prepare(corpus, data_dir, Shares(dev=dev_share, test=test_share))
    print(inventory.text(), end="")
    if strict:
        inventory.refuse_skips(data_dir)


if __name__ == "__main__":
    run(main)
