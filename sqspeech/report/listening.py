"""Listening table: a row for each of a few recordings, a column for each target speaker, with spectrograms."""

import csv
from collections.abc import Iterable, Sequence
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
# Limits for a readable page below about 20 MB. A cell is cut after `LONGEST` seconds, or sooner where all cells
# together would have more than `MOST_SAMPLES`.
MOST_SOURCES = 6
MOST_TARGETS = 12
LONGEST = 10.0
MOST_SAMPLES = 6_400_000


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One recording: (N,) `samples` at `sample_rate` Hz and their (T, M) log-mel in dB."""

    speaker: str
    samples: NDArray[np.float32]
    sample_rate: int
    decibels: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """The duration."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class ListeningRow:
    """A source recording, its reconstruction, and its conversion to the speaker of each column; None where missing."""

    utt_id: str
    source: Cell
    reconstruction: Cell | None
    conversions: list[Cell | None]

    @property
    def cells(self) -> list[Cell]:
        """All cells that are not empty."""
        return [cell for cell in (self.source, self.reconstruction, *self.conversions) if cell]


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Part of a manifest that is shown: `rows` of its `n_utterances`, `targets` (the columns) of its `n_targets`.

    No cell lasts more than `longest` seconds.
    """

    targets: list[str]
    rows: list[ListeningRow]
    longest: float
    n_utterances: int
    n_targets: int


def read_listening(manifest: Path, config: LogMelConfig) -> Listening | None:
    """Read recordings and target speakers, both spread over a conversion manifest; None without a manifest.

    All audio is at the sample rate of `config`, so that source and conversion have the same bandwidth.

    Raises
    ------
    DataError
        The manifest is malformed, or a recording cannot be read or is too short.
    """
    utterances: dict[str, list[dict[str, str]]] = {}
    for entry in read_manifest(manifest, COLUMNS):
        utterances.setdefault(entry["utt_id"], []).append(entry)
    if not utterances:
        return None
    shown = spread(list(utterances), MOST_SOURCES)
    # The targets of the rows that are shown: other utterances may have other targets.
    own_targets, all_targets = _targets(utterances[utt_id] for utt_id in shown), _targets(utterances.values())
    targets = spread(own_targets, MOST_TARGETS)
    longest = min(LONGEST, MOST_SAMPLES / config.sample_rate / (len(shown) * (len(targets) + 2)))
    reader = CellReader(LogMel(config), manifest.parent, longest)
    return Listening(
        targets=targets,
        rows=[reader.row(utterances[utt_id], targets) for utt_id in shown],
        longest=longest,
        n_utterances=len(utterances),
        n_targets=len(all_targets),
    )


def _targets(utterances: Iterable[list[dict[str, str]]]) -> list[str]:
    """Return all target speakers but the utterance's own, in the order of the manifest."""
    return list(dict.fromkeys(e["target"] for entries in utterances for e in entries if e["target"] != RECONSTRUCTION))


def read_manifest(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the lines of a manifest, none where there is no file; raises DataError where it is malformed."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            entries = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; make it again") from None
    for number, entry in enumerate(entries, start=2):
        # csv files a surplus value under None, and fills a missing one with None.
        if not set(columns) <= entry.keys() or None in entry or None in entry.values():
            raise DataError(f"{path}:{number}: expected the columns {' '.join(columns)}; make it again")
        if not (path.parent / entry["output"]).resolve().is_relative_to(path.parent.resolve()):
            raise DataError(f"{path}:{number}: {entry['output']!r} is not in the folder of the manifest; make it again")
    return entries


def spread[T](items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items at equal distances, the first and the last among them."""
    picks = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[pick] for pick in picks]


class CellReader:
    """Reader of recordings at the rate of the features, cut after some seconds."""

    def __init__(self, log_mel: LogMel, folder: Path, longest: float) -> None:
        self.log_mel, self.folder, self.longest = log_mel, folder, longest

    def row(self, entries: list[dict[str, str]], targets: list[str]) -> ListeningRow:
        """Return the recordings of an utterance, given its lines of the manifest."""
        first = entries[0]
        utt_id, speaker = first["utt_id"], first["speaker"]
        start, end = (_seconds(utt_id, first[name]) for name in ("start", "end"))
        outputs = {entry["target"]: self.folder / entry["output"] for entry in entries}

        def converted(target: str, speaker: str) -> Cell | None:
            return self.cell(speaker, outputs[target]) if target in outputs else None

        return ListeningRow(
            utt_id=utt_id,
            source=self.cell(speaker, Path(first["source"]), start or 0.0, end),
            reconstruction=converted(RECONSTRUCTION, speaker),
            conversions=[converted(target, target) for target in targets],
        )

    def cell(self, speaker: str, path: Path, start: float = 0.0, end: float | None = None) -> Cell:
        """Return a recording, or its part; raises DataError where it cannot be read or is too short."""
        config, last = self.log_mel.config, audio.probe(path).seconds if end is None else end
        samples, _ = audio.read(path, config.sample_rate, start, min(last, start + self.longest))
        try:
            mel: NDArray[np.float32] = self.log_mel(torch.from_numpy(samples)).numpy()
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        decibels = (mel - 1) * np.float32(config.top_db)
        return Cell(speaker=speaker, samples=samples, sample_rate=config.sample_rate, decibels=decibels)


def _seconds(utt_id: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise DataError(f"manifest.tsv: {utt_id} has the time {text!r}, which is not a number") from None
