"""ZeroSpeech 2019, "TTS without T": English or the surprise language.

`python -m data_prep.zerospeech2019 CORPUS DATA_DIR` writes the Kaldi data directories

- `train` and `dev`: together the training list. dev is carved out of it utterance by utterance, and never out of mse:
  whoever validates on that chooses the model by the recordings that judge it;
- `test`: the recordings to find units in;
- `mse`: train/parallel/voice, on which reconstruction is measured;
- `synthesis_<voice>`: the test utterances to be converted into that voice, where there is a list of them;
- `conversion`: all of these, or where there is no list the longest test utterances of each speaker.

Without `--lists`, train is all of train/unit and train/voice, cut from the first onset to the last offset where
vads.txt has the recording, and test is all of test.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from data_prep.command import run
from data_prep.held_out import Shares, assign
from data_prep.inventory import Inventory
from data_prep.recordings import NOBODY
from data_prep.zerospeech_lists import OUT_PATHS, ListEntry, Lists, read_lists, read_vads
from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.names import shown
from sqspeech.progress import track

TRAIN = ("train/unit", "train/voice")
TEST = ("test",)
MSE = ("train/parallel/voice",)
# For a run after that of another language or with other lists.
SETS = ("train", "dev", "test", "mse", "conversion", "synthesis_V001", "synthesis_V002")
# Of each of the 24 test speakers of English: in all about as many as the published list has, 193.
LONGEST = 8
SAMPLE_RATE = 16000
# Seconds that a listed end may lie after the real one.
ROUNDING = 0.01


def prepare(
    corpus: Path, data_dir: Path, *, language: str = "english", lists: Path | None = None, dev_share: float = 0.01
) -> Inventory:
    """Write the data directories and the reports, and return what is in them and what was left out.

    Parameters
    ----------
    corpus
        The folder that holds the language's folder, or one above that, or the language's folder itself.
    data_dir
        Folder to write into.
    language
        "english" or "surprise".
    lists
        Folder of published lists (see `data_prep.zerospeech_lists.read_lists`); None makes them from the disk.
    dev_share
        Share of each speaker's training utterances that goes to dev, in [0, 1).

    Raises
    ------
    DataError
        The corpus or a list is not there, a list is ill-formed, or there is no usable recording.
    SqspeechError
        `data_dir` cannot be written.
    """
    root = _language_folder(corpus, language).absolute()
    inventory = Inventory()
    wanted = read_lists(lists, language) if lists else _lists_on_disk(root, inventory)
    mse = wanted.mse or tuple(_on_disk(root, MSE, {}, inventory))
    if lists:
        _remark_unlisted(root, (*wanted.train, *wanted.test, *mse), inventory)
    mse = _apart(mse, wanted.train, inventory)
    usable = _usable(root, (*wanted.train, *wanted.test, *mse), inventory)
    _split([usable[row] for row in wanted.train if row in usable], dev_share, inventory)
    parts = {"test": [usable[row] for row in wanted.test if row in usable]}
    parts["mse"] = [usable[row] for row in mse if row in usable]
    parts["conversion"] = _to_convert(parts["test"], wanted.synthesis, inventory.seconds)
    for voice, utt_ids in wanted.synthesis.items():
        parts[f"synthesis_{voice}"] = [utterance for utterance in parts["test"] if utterance.utt_id in utt_ids]
    inventory.sets.update({name: DataDir(tuple(part)) for name, part in parts.items() if part})
    inventory.write(data_dir, {*SETS, *parts})
    return inventory


def _language_folder(corpus: Path, language: str) -> Path:
    candidates = [corpus / language, *sorted(corpus.glob(f"*/{language}")), *sorted(corpus.glob(f"*/2019/{language}"))]
    if corpus.resolve().name not in {"english", "surprise"} - {language}:
        candidates.append(corpus)
    needed = (*TRAIN, *TEST)
    for folder in candidates:
        if all((folder / name).is_dir() for name in needed):
            return folder
    raise DataError(
        f"{corpus}: no {language} of ZeroSpeech 2019 there, in {language}/ or in 2019/{language}/ (looked for the "
        f"folders {', '.join(needed)}); check the path. The corpus is licensed: "
        "`python -m data_prep.download zerospeech2019` prints how to get it"
    )


def _lists_on_disk(root: Path, inventory: Inventory) -> Lists:
    vads = root / "vads.txt"
    spans = read_vads(vads) if vads.is_file() else {}
    train = tuple(_on_disk(root, TRAIN, spans, inventory))
    whole = sum(row.end is None for row in train)
    if whole:
        inventory.remarks.append(f"training recordings not in vads.txt, so used whole: {whole} of {len(train)}")
    return Lists(train=train, test=tuple(_on_disk(root, TEST, {}, inventory)))


def _on_disk(
    root: Path, folders: Iterable[str], spans: Mapping[str, tuple[float, float]], inventory: Inventory
) -> Iterator[ListEntry]:
    first: dict[str, str] = {}
    for recording in _recordings(root, folders):
        stem = recording.rpartition("/")[2]
        found = OUT_PATHS["test"].fullmatch(stem)
        if not found:
            inventory.skip(shown(recording), NOBODY, "no speaker in the name", "expected one like S015_0000000001.wav")
        elif first.setdefault(stem, recording) != recording:
            inventory.skip(recording, found[1], "stands twice", f"has the name of {first[stem]}")
        else:
            start, end = spans.get(stem, (0.0, None))
            yield ListEntry(recording=recording, utt_id=stem, spk_id=found[1], start=start, end=end)


def _recordings(root: Path, folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        for path in sorted((root / folder).glob("[!.]*.wav")):
            yield f"{folder}/{path.stem}"


def _remark_unlisted(root: Path, rows: Iterable[ListEntry], inventory: Inventory) -> None:
    unlisted = sorted(set(_recordings(root, (*TRAIN, *TEST, *MSE))) - {row.recording for row in rows})
    if unlisted:
        inventory.remarks.append(f"on disk but not listed: {len(unlisted)}, such as {shown(unlisted[0])}")


def _apart(mse: Iterable[ListEntry], train: Iterable[ListEntry], inventory: Inventory) -> tuple[ListEntry, ...]:
    """Return what of `mse` is not trained on, going by the recordings' names."""
    trained = {row.rec_id for row in train}
    kept = []
    for row in mse:
        if row.rec_id in trained:
            inventory.skip(row.recording, row.spk_id, "in the training list, so not in mse")
        else:
            kept.append(row)
    return tuple(kept)


def _usable(root: Path, rows: tuple[ListEntry, ...], inventory: Inventory) -> dict[ListEntry, Utterance]:
    usable: dict[ListEntry, Utterance] = {}
    unusual: list[str] = []
    for row in track(rows, "Reading headers", len(rows)):
        path = root / f"{row.recording}.wav"
        try:
            info = audio.probe(path)
        except (DataError, OSError) as error:
            reason = "unreadable or empty" if path.is_file() else "listed but not on disk"
            inventory.skip(row.recording, row.spk_id, reason, shown(error))
            continue
        if (info.sample_rate, info.channels) != (SAMPLE_RATE, 1):
            unusual.append(f"{row.recording} ({info.sample_rate} Hz, {info.channels} channels)")
        end = info.seconds if row.end is None else min(row.end, info.seconds)
        # Rounded, because 10 ms is allowed and no difference of floats is exactly that.
        if round((row.end or end) - end, 6) > ROUNDING or row.start >= end:
            detail = f"{row.start} to {row.end} s of {info.seconds} s"
            inventory.skip(row.recording, row.spk_id, "shorter than listed", detail)
            continue
        usable[row] = _utterance(row, path, end)
        inventory.seconds[row.utt_id] = end - row.start
    if unusual:
        inventory.remarks.append(f"recordings that are not 16 kHz mono: {len(unusual)}, such as {unusual[0]}")
    return usable


def _utterance(row: ListEntry, path: Path, end: float) -> Utterance:
    if row.end is None:
        return Utterance(utt_id=row.utt_id, spk_id=row.spk_id, path=path)
    return Utterance(utt_id=row.utt_id, spk_id=row.spk_id, path=path, rec_id=row.rec_id, start=row.start, end=end)


def _split(training: list[Utterance], dev_share: float, inventory: Inventory) -> None:
    by_speaker: dict[str, list[str]] = {}
    for utterance in training:
        by_speaker.setdefault(utterance.spk_id, []).append(utterance.utt_id)
    names: dict[str, str] = {}
    for utt_ids in by_speaker.values():
        names.update(assign(utt_ids, Shares(dev=dev_share, test=0.0)))
    sets = DataDir(tuple(training)).split(lambda utterance: names[utterance.utt_id])
    inventory.sets.update({name: sets[name] for name in ("train", "dev") if name in sets})


def _to_convert(
    test: Iterable[Utterance], synthesis: Mapping[str, frozenset[str]], seconds: Mapping[str, float]
) -> list[Utterance]:
    """Return what of `test` has a target voice, or where nothing has one the longest utterances of each speaker."""
    if synthesis:
        return [utterance for utterance in test if any(utterance.utt_id in ids for ids in synthesis.values())]
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in sorted(test, key=lambda u: (-seconds[u.utt_id], u.utt_id)):
        by_speaker.setdefault(utterance.spk_id, []).append(utterance)
    return [utterance for utterances in by_speaker.values() for utterance in utterances[:LONGEST]]


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder that holds english/ and surprise/, or 2019/ with them.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train/, dev/, test/ and mse/ into.")],
    language: Annotated[Literal["english", "surprise"], typer.Option(help="Language to prepare.")] = "english",
    lists: Annotated[Path | None, typer.Option(help="Folder of published lists, JSON or CSV.")] = None,
    dev_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the training list held out.")] = 0.01,
    strict: Annotated[bool, typer.Option("--strict", help="Fail when a recording was left out.")] = False,
) -> None:
    """Prepare ZeroSpeech 2019 for one language."""
    inventory = prepare(corpus, data_dir, language=language, lists=lists, dev_share=dev_share)
    print(inventory.text(), end="")
    if strict:
        inventory.refuse_skips(data_dir)


if __name__ == "__main__":
    run(main)
