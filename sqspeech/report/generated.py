"""Speech that a prior generated, for listening."""

from dataclasses import dataclass
from pathlib import Path

from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.report.listening import LONGEST, Cell, CellReader, read_manifest, spread

COLUMNS = ("utt_id", "target", "output", "prompt", "prompt_seconds", "seconds")
# Of a page.
MOST_SAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class GeneratedSample:
    """A generated recording.

    Attributes
    ----------
    utt_id, cell
        Its name and itself.
    prompt
        The recording that it continues; empty where there is none.
    prompt_share
        The part of what is shown that was decoded from the prompt's units, in percent.
    """

    utt_id: str
    cell: Cell
    prompt: str
    prompt_share: float


def read_generated(manifest: Path, config: LogMelConfig) -> list[GeneratedSample]:
    """Read samples that are spread over a manifest of `sqspeech generate`; none without a manifest.

    Raises
    ------
    DataError
        The manifest is malformed, or a recording cannot be read.
    """
    reader = CellReader(LogMel(config), manifest.parent, LONGEST)
    samples = []
    for entry in spread(read_manifest(manifest, COLUMNS), MOST_SAMPLES):
        cell = reader.cell(entry["target"], manifest.parent / entry["output"])
        try:
            share = 100 * min(1.0, float(entry["prompt_seconds"]) / cell.seconds)
        except ValueError:
            raise DataError(f"{manifest}: {entry['utt_id']} has no duration of its prompt; generate again") from None
        samples.append(GeneratedSample(utt_id=entry["utt_id"], cell=cell, prompt=entry["prompt"], prompt_share=share))
    return samples
