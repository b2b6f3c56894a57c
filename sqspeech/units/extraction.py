"""Recordings to discrete units, and the units on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.atomic import atomic_path, write_text
from sqspeech.checkpoint import TrainedModel
from sqspeech.data.data_dir import write_table
from sqspeech.features import LogMelConfig
from sqspeech.units.unit_set import UnitInfo

UnitFormat = Literal["kaldi", "npz"]


def centres(features: LogMelConfig, count: int) -> NDArray[np.float64]:
    """Return the centre of each of the first `count` latent steps, in seconds.

    Step i describes the frames 2i + 1 and 2i + 2, and frame t is centred at t hops.
    """
    return (2 * np.arange(count, dtype=np.float64) + 1.5) * features.hop_length / features.sample_rate


@torch.inference_mode()
def extract(trained: TrainedModel, samples: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the units of samples (N,) at the model's sample rate, shape (L,), in [0, K).

    L = (T − 2) // 2 of the T = 1 + N // hop_length frames. Raises DataError where the samples have no features.
    """
    codes: NDArray[np.int64] = trained.model.encode(trained.features(samples))[0].cpu().numpy()
    return codes


def write_units(path: Path, units: Mapping[str, NDArray[np.int64]], info: UnitInfo, unit_format: UnitFormat) -> None:
    """Write units by utterance, as Kaldi text (`utt_id u1 u2 ...`) or as .npz, and PATH.json beside them."""
    if unit_format == "kaldi":
        write_table(path, {utt_id: " ".join(map(str, codes)) for utt_id, codes in units.items()})
    else:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **dict(sorted(units.items())))
    write_text(path.with_name(path.name + ".json"), json.dumps(asdict(info), indent=2) + "\n")
