"""From audio to log-mels: decoding by workers, the transform by them or on a GPU."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.corpus import DIED, Workers, map_in_order
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig

type Block = tuple[Utterance, ...]


@dataclass(frozen=True, kw_only=True)
class Computed:
    """The log-mel of an utterance, shape (T, M), or the reason why there is none.

    `note` names what was done to make the audio usable, `version` of which file it was (see `Utterance.version`).
    """

    mel: NDArray[np.float32] | None = None
    reason: str = ""
    note: str = ""
    version: str = ""


@dataclass(frozen=True)
class Preparation:
    """Function of an utterance to its log-mel or, where a GPU makes that later, to the conditioned samples."""

    log_mel: LogMel
    transforms: bool

    def __call__(self, utterance: Utterance) -> Computed:
        """Read the recording; a DataError becomes the reason."""
        version, rate = utterance.version(), self.log_mel.config.sample_rate
        try:
            with utterance.open() as file:
                samples, note = torch.from_numpy(file.read(rate)), file.note(rate)
            if not samples.any():
                raise DataError(f"{utterance.path}: digital silence, nothing to learn from; leave it out")
            result = self.log_mel(samples) if self.transforms else self.log_mel.condition(samples)
        except DataError as error:
            return Computed(reason=str(error))
        return Computed(mel=result.numpy(), note=note, version=version)


def compute(
    blocks: Sequence[Block], config: LogMelConfig, *, workers: Workers, device: torch.device
) -> Generator[tuple[Utterance, Computed], None, None]:
    """Yield each utterance of the blocks, in order, with what came of it.

    Audio is decoded and resampled by the workers. On the CPU they also make the log-mels, utterance by utterance; for
    another `device` they hand over the samples, and this process makes those of a block together.
    """
    on_gpu = device.type != "cpu"
    utterances = (utterance for block in blocks for utterance in block)
    prepared = map_in_order(Preparation(LogMel(config), transforms=not on_gpu), utterances, workers, died=_died)
    log_mel = LogMel(config).to(device)
    with closing(prepared):
        for block in blocks:
            results = list(islice(prepared, len(block)))
            yield from zip(block, _transform(log_mel, results, device) if on_gpu else results, strict=True)


def _died(utterance: Utterance) -> Computed:
    return Computed(reason=f"{utterance.path}: {DIED}")


def _transform(log_mel: LogMel, results: list[Computed], device: torch.device) -> list[Computed]:
    conditioned = [torch.from_numpy(result.mel).to(device) for result in results if result.mel is not None]
    mels = iter(log_mel.log_mels(conditioned) if conditioned else [])
    return [result if result.mel is None else replace(result, mel=next(mels).cpu().numpy()) for result in results]
