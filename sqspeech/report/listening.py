"""The utterances to listen to: source, reconstruction and conversions, with their spectrograms."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig

COLUMNS = ("utt_id", "speaker", "source", "start", "end", "target", "output")
RECONSTRUCTION = "source"
# These keep the page below about 15 MB.
MOST_UTTERANCES = 4
MOST_CONVERSIONS = 4
LONGEST = 10.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One sound: (N,) `samples` at `sample_rate` Hz and their (T, M) log-mel in dB."""

    speaker: str
    samples: NDArray[np.float32]
    sample_rate: int
    decibels: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """The duration."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class Listening:
    """An utterance as it was spoken, reconstructed and converted; `omitted` conversions are not shown."""

    utt_id: str
    source: Cell
    reconstruction: Cell | None
    conversions: list[Cell]
    omitted: int

    @property
    def cells(self) -> list[Cell]:
        """Everything that there is to hear."""
        return [self.source, *([self.reconstruction] if self.reconstruction else []), *self.conversions]


def read_listening(manifest: Path, config: LogMelConfig) -> list[Listening]:
    """Read a few utterances of a conversion manifest, spread over it; none where there is no manifest.

    All audio is at the sample rate of `config`, so that source and conversion are heard in the same band, and
    a sound is cut after `LONGEST` seconds.

    Raises
    ------
    DataError
        The manifest is malformed, or a recording cannot be read or is too short.
    """
    entries: dict[str, list[dict[str, str]]] = {}
    for entry in _read_manifest(manifest):
        entries.setdefault(entry["utt_id"], []).append(entry)
    log_mel = LogMel(config)
    return [
        _listening(utt_id, entries[utt_id], manifest.parent, log_mel)
        for utt_id in _spread(list(entries), MOST_UTTERANCES)
    ]


def _read_manifest(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        entries = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, entry in enumerate(entries, start=2):
        # csv files a surplus value under None, and fills a missing one with None.
        if not set(COLUMNS) <= entry.keys() or None in entry or None in entry.values():
            raise DataError(f"{path}:{number}: expected the columns {' '.join(COLUMNS)}; convert again")
    return entries


def _spread[T](items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items at equal distances, the first and the last among them."""
    picks = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[pick] for pick in picks]


def _listening(utt_id: str, entries: list[dict[str, str]], folder: Path, log_mel: LogMel) -> Listening:
    speaker = entries[0]["speaker"]
    outputs = {entry["target"]: folder / entry["output"] for entry in entries}
    reconstruction = outputs.pop(RECONSTRUCTION, None)
    shown = _spread(sorted(outputs), MOST_CONVERSIONS)
    start, end = (_seconds(utt_id, entries[0][name]) for name in ("start", "end"))
    return Listening(
        utt_id=utt_id,
        source=_cell(speaker, Path(entries[0]["source"]), log_mel, start or 0.0, end),
        reconstruction=_cell(speaker, reconstruction, log_mel) if reconstruction else None,
        conversions=[_cell(target, outputs[target], log_mel) for target in shown],
        omitted=len(outputs) - len(shown),
    )


def _seconds(utt_id: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise DataError(f"manifest.tsv: {utt_id} has the time {text!r}, which is no number") from None


def _cell(speaker: str, path: Path, log_mel: LogMel, start: float = 0.0, end: float | None = None) -> Cell:
    longest = start + LONGEST
    rate = log_mel.config.sample_rate
    samples, _ = audio.read(path, rate, start, longest if end is None else min(end, longest))
    try:
        mel: NDArray[np.float32] = log_mel(torch.from_numpy(samples)).numpy()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    decibels = (mel - 1) * np.float32(log_mel.config.top_db)
    return Cell(speaker=speaker, samples=samples, sample_rate=rate, decibels=decibels)
