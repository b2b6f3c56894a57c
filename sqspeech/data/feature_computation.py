"""From audio to log-mels: decoding in several processes, the transform in them or on a GPU."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.worker_pool import map_in_order

type Block = tuple[Utterance, ...]


@dataclass(frozen=True, kw_only=True)
class Computed:
    """The log-mel of an utterance, shape (T, M), or the reason why there is none.

    `note` says what was done to make the audio usable, `version` of which file it was (see `Utterance.version`).
    """

    mel: NDArray[np.float32] | None = None
    reason: str = ""
    note: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class _Worker:
    log_mel: LogMel
    transforms: bool


_worker: _Worker


def compute(
    blocks: Sequence[Block], config: LogMelConfig, *, jobs: int, device: torch.device
) -> Generator[tuple[Utterance, Computed], None, None]:
    """Yield each utterance of the blocks, in order, with what came of it.

    Audio is decoded and resampled in `jobs` processes. On the CPU they also make the log-mels, utterance by
    utterance; for another `device` they hand over the samples, and this process makes those of a block together.
    """
    on_cpu = device.type == "cpu"
    prepared = map_in_order(
        _prepare,
        (utterance for block in blocks for utterance in block),
        jobs=jobs,
        initializer=_start_worker,
        initargs=(config, on_cpu),
        died=_died,
    )
    log_mel = LogMel(config).to(device)
    with closing(prepared):
        for block in blocks:
            results = list(islice(prepared, len(block)))
            yield from zip(block, results if on_cpu else _transform(log_mel, results, device), strict=True)


def _died(utterance: Utterance) -> Computed:
    return Computed(
        reason=f"{utterance.path}: the process that read it died, for want of memory or by a fault in the decoder; "
        "look at the file"
    )


def _start_worker(config: LogMelConfig, transforms: bool) -> None:
    global _worker
    # One thread, also for a single job, since the number of threads may change the last bit.
    torch.set_num_threads(1)
    _worker = _Worker(log_mel=LogMel(config), transforms=transforms)


def _prepare(utterance: Utterance) -> Computed:
    """Return the log-mel or, where a GPU makes it, the conditioned samples in its place."""
    log_mel, version = _worker.log_mel, utterance.version()
    try:
        utterance.check_name()
        samples = torch.from_numpy(utterance.read(log_mel.config.sample_rate))
        if not samples.any():
            raise DataError(f"{utterance.path}: digital silence, nothing to learn from; leave it out")
        note = audio.note(utterance.path, log_mel.config.sample_rate)
        result = log_mel(samples) if _worker.transforms else log_mel.condition(samples)
    except DataError as error:
        return Computed(reason=str(error))
    return Computed(mel=result.numpy(), note=note, version=version)


def _transform(log_mel: LogMel, results: list[Computed], device: torch.device) -> list[Computed]:
    conditioned = [torch.from_numpy(result.mel).to(device) for result in results if result.mel is not None]
    mels = iter(log_mel.log_mels(conditioned) if conditioned else [])
    return [result if result.mel is None else replace(result, mel=next(mels).cpu().numpy()) for result in results]
