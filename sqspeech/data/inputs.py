"""What a command line may name as input: recordings, folders of recordings, Kaldi data directories."""

from collections.abc import Sequence
from pathlib import Path

from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance, exists
from sqspeech.errors import DataError


def read_inputs(paths: Sequence[Path]) -> list[Utterance]:
    """Return the utterances of recordings, of folders (searched at every depth) and of data directories.

    A path may be a pattern with `*`, `?` or `**`.

    A recording outside a data directory is one utterance, named by its stem, or by its path inside the folder
    with `-` for `/`. Its speaker is not known, so the utterance's id stands for it, as Kaldi has it.

    Raises
    ------
    DataError
        A path does not exist, a folder has no audio, or two utterances have the same name.
    """
    found: dict[str, Utterance] = {}
    for path in paths:
        for utterance in (each for match in _matches(path) for each in _read_input(match)):
            other = found.setdefault(utterance.utt_id, utterance)
            if other != utterance:
                raise DataError(
                    f"{other.path} and {utterance.path} are both named {utterance.utt_id}; rename one, or give the "
                    "folder that holds both, whose recordings are named by their paths in it"
                )
    return list(found.values())


def _matches(path: Path) -> list[Path]:
    """Return what a pattern such as `talks/*.flac` finds; a path that exists is no pattern."""
    if exists(path) or not set("*?[") & set(str(path)):
        return [path]
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))) or [path]


def _read_input(path: Path) -> list[Utterance]:
    if not exists(path):
        raise DataError(f"{path}: no such file or folder; check the path")
    if not path.is_dir():
        return [_recording(path, path.stem)]
    if (path / "wav.scp").exists():
        utterances = list(DataDir.read(path))
        if not utterances:
            raise DataError(f"{path}: no utterance in this data directory; check its wav.scp")
        return utterances
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in audio.SUFFIXES)
    if not files:
        raise DataError(f"{path}: no audio in this folder (of the kinds {' '.join(sorted(audio.SUFFIXES))})")
    return [_recording(file, "-".join(file.relative_to(path).with_suffix("").parts)) for file in files]


def _recording(path: Path, name: str) -> Utterance:
    utt_id = "_".join(name.split())
    return Utterance(utt_id=utt_id, spk_id=utt_id, path=path)
