"""Join Kaldi data directories: the speech of several corpora for one model.

`python -m data_prep.join SOURCE SOURCE... -o DATA_DIR`. Items of ABX are joined along.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from data_prep.command import run
from data_prep.phones import ITEM_HEADER
from sqspeech.atomic import write_text
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError


def join(sources: Sequence[Path], data_dir: Path, same_speakers: bool = False) -> DataDir:
    """Write the utterances of all `sources` to `data_dir` and return them.

    Parameters
    ----------
    sources
        Kaldi data directories.
    data_dir
        The folder to write.
    same_speakers
        Whether a speaker's name that stands in several sources is one person's.

    Raises
    ------
    DataError
        A source is no valid data directory; an utterance or a recording has the name of another one; without
        `same_speakers`, a speaker has.
    SqspeechError
        `data_dir` cannot be written.
    """
    parts = {source: DataDir.read(source) for source in sources}
    if not same_speakers:
        _refuse_shared({source: dict.fromkeys(part.speakers, source) for source, part in parts.items()}, "speaker")
    recordings = {source: {u.rec_id or u.utt_id: u.path for u in part} for source, part in parts.items()}
    _refuse_shared(recordings, "recording")
    genders = {name: sex for part in parts.values() for name, sex in part.spk2gender.items()}
    joined = DataDir(tuple(utterance for part in parts.values() for utterance in part), genders)
    joined.write(data_dir)
    _join_items(sources, data_dir / "phones.item")
    return joined


def _refuse_shared(names: Mapping[Path, Mapping[str, Path]], kind: str) -> None:
    """Raise DataError where a name stands for two files, or two sources."""
    seen: dict[str, tuple[Path, Path]] = {}
    for source, known in names.items():
        for name, meant in known.items():
            first, before = seen.setdefault(name, (source, meant))
            if before != meant:
                remedy = (
                    "rename one" if kind == "recording" else "rename one, or give --same-speakers if it is one person"
                )
                raise DataError(f"{kind} {name} is in {first} and in {source}; {remedy}")


def _join_items(sources: Sequence[Path], path: Path) -> None:
    path.unlink(missing_ok=True)
    items = [source / "phones.item" for source in sources if (source / "phones.item").exists()]
    if items:
        write_text(path, ITEM_HEADER + "".join(item.read_text().split("\n", 1)[1] for item in items))


def main(
    sources: Annotated[list[Path], typer.Argument(help="Kaldi data directories.")],
    data_dir: Annotated[Path, typer.Option("--output", "-o", metavar="DATA_DIR", help="The folder to write.")],
    same_speakers: Annotated[
        bool, typer.Option("--same-speakers", help="A speaker's name in several directories is one person's.")
    ] = False,
) -> None:
    """Join Kaldi data directories: the speech of several corpora for one model."""
    joined = join(sources, data_dir, same_speakers)
    print(f"{data_dir}: {len(joined)} utterances, {len(joined.speakers)} speakers")


if __name__ == "__main__":
    run(main)
