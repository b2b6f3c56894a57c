"""The Interspeech 2024 discrete-speech challenge: `vocab.json`, `tokens.json` and `ref_len.scp`.

`vocab.json` has the tokens of each stream (here, of each stage of the quantiser) by its number, `tokens.json` those of
each utterance, a list a stream, and `ref_len.scp` the seconds of its recording. The challenge's
`calculate_bitrate.py` reads the three, as its baselines' `convert_token2json.py` writes them (both in ESPnet,
`egs2/TEMPLATE/asr1/pyscripts/utils`).
"""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import numpy as np

from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.units.formats.base import FORMATS
from sqspeech.units.formats.entry import Contents, Entry


@FORMATS.register("interspeech2024")
class Interspeech2024:
    """Tokens of the challenge, with its vocabulary and the durations of the recordings."""

    HOLDS: ClassVar[frozenset[str]] = frozenset({"deduplicated"})
    FILES: ClassVar[tuple[str, ...]] = ("vocab.json", "tokens.json", "ref_len.scp")

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        """Write the entries, whose units have their `info`."""
        with ExitStack() as stack:
            tokens, lengths = (
                stack.enter_context((folder / name).open("w", encoding="utf-8"))
                for name in ("tokens.json", "ref_len.scp")
            )
            for number, entry in enumerate(entries):
                # An entry at a time: all of them together may not fit into memory.
                tokens.write(f"{',' if number else '{'}\n{json.dumps(entry.utt_id)}: {_streams(entry, contents)}")
                lengths.write(f"{entry.utt_id} {_seconds(entry.units)!r}\n")
            tokens.write("\n}\n")
        (folder / "vocab.json").write_text(_vocabulary(entry.units) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        """Return the units; this format has no durations of units."""
        path = folder / "tokens.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            steps = {name: np.array(streams, np.int64).T for name, streams in found.items()}
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise DataError(f"{path}: no utterances with streams of integers; extract the units again") from None
        return {name: Units(codes=codes[:, 0] if codes.shape[1:] == (1,) else codes) for name, codes in steps.items()}


def _streams(entry: Entry, contents: Contents) -> str:
    codes = contents.sequence(entry.units)
    return json.dumps(codes.reshape(len(codes), -1).T.astype(str).tolist())


def _seconds(units: Units) -> float:
    assert units.info is not None
    if units.recording is None:  # of units that were generated
        return len(units) / units.info.frame_rate
    return float(units.recording.n_samples / units.info.features["sample_rate"])


def _vocabulary(units: Units) -> str:
    assert units.info is not None
    tokens = [str(code) for code in range(units.info.codebook_size)]
    return json.dumps({str(stage): tokens for stage in range(units.info.stages)})
