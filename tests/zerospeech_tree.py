"""A ZeroSpeech 2019 tree of any recordings, and lists for it in the published forms."""

import json
from pathlib import Path

import numpy as np
import soundfile
from corpus import voice

RATE = 16000
LIBRISPEECH = Path(__file__).resolve().parents[1] / "../shared/speech/librispeech28/LibriSpeech"
UNIT = ("S015", "S020", "S133")
TEST = ("S002", "S030")
VOICES = {"english": ("V001", "V002"), "surprise": ("V001",)}


def samples_of(speaker: int, n_recordings: int, seconds: float) -> list[np.ndarray]:
    """Real recordings of one speaker where there are any, else synthetic ones; a speaker each number."""
    if not LIBRISPEECH.is_dir():
        return [voice(90 + 17 * speaker, n, seconds) for n in range(n_recordings)]
    folders = sorted(LIBRISPEECH.glob("*/*"))
    paths = sorted(folders[speaker % len(folders)].rglob("*.flac"))[:n_recordings]
    return [soundfile.read(path, frames=round(seconds * RATE), dtype="float32")[0] for path in paths]


def write_tree(corpus: Path, language: str = "english", n_recordings: int = 4, seconds: float = 1.0) -> Path:
    """Write `corpus`/`language` with a vads.txt and return it; recordings in test/ last 0.2 s.

    The last recording of each training speaker is not in vads.txt; the first has two lines there.
    """
    root = corpus / language
    voices = VOICES[language]
    vads = []
    for index, speaker in enumerate((*UNIT, *voices, *TEST)):
        folder = "test" if speaker in TEST else "train/voice" if speaker in voices else "train/unit"
        recordings = samples_of(index, n_recordings, 0.2 if speaker in TEST else seconds)
        stems = _write(root / folder, speaker, 1000 * index, recordings)
        if speaker not in TEST:
            vads += [f"{stems[0]} 0.3125 0.5", *(f"{stem} 0.125 {0.75 * seconds}" for stem in stems[:-1])]
    for index, speaker in enumerate(voices):
        recordings = samples_of(len(UNIT) + index, n_recordings + 2, seconds)[n_recordings:]
        _write(root / "train/parallel/voice", speaker, 47, recordings)
        _write(root / "train/parallel/source", "S133", 47, recordings)
    (root / "vads.txt").write_text("".join(f"{line}\n" for line in vads))
    return root


def lists_for(root: Path) -> dict[str, list]:
    """Return lists of all of a tree; train begins 0.25 s into each recording and ends 0.125 s before its end."""
    language = root.name
    train, test = [], []
    for path in sorted((root / "train").glob("[uv]*/*.wav")):
        out = f"{language}/train/{path.stem[:4]}/{path.stem}"
        train.append([_in_path(root, path), 0.25, soundfile.info(path).duration - 0.375, out])
    for path in sorted((root / "test").glob("*.wav")):
        in_path = _in_path(root, path)
        test.append([in_path, 0.0, soundfile.info(path).duration, in_path])
    parallel = sorted((root / "train/parallel/voice").glob("*.wav"))
    voices = VOICES[language]
    return {
        "train": train,
        "test": test,
        "speakers": sorted({row[3].split("/")[2] for row in train}),
        "mse_evaluation": [[_in_path(root, path), path.stem[:4]] for path in parallel],
        "synthesis": [[row[0], voices[index % len(voices)]] for index, row in enumerate(test)],
    }


def write_lists(lists: dict[str, list], folder: Path, suffix: str = ".json", prefix: str = "") -> Path:
    """Write each list to `folder`/`prefix`<name>`suffix` and return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, entries in lists.items():
        rows = [",".join(map(str, entry)) if isinstance(entry, list) else entry for entry in entries]
        text = json.dumps(entries) if suffix == ".json" else "\n".join(rows) + "\n"
        (folder / f"{prefix}{name}{suffix}").write_text(text)
    return folder


def _in_path(root: Path, path: Path) -> str:
    return str(path.relative_to(root.parent).with_suffix(""))


def _write(folder: Path, speaker: str, first: int, recordings: list[np.ndarray]) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    stems = [f"{speaker}_{first + number:010}" for number in range(len(recordings))]
    for stem, samples in zip(stems, recordings, strict=True):
        soundfile.write(folder / f"{stem}.wav", samples, RATE, subtype="PCM_16")
    return stems
