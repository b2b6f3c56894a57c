"""Small units on disk, and priors of them."""

from pathlib import Path

import numpy as np
import torch

from sqspeech.priors.config import PriorConfig
from sqspeech.training import Trainer
from sqspeech.training.tasks.prior import PriorTask
from sqspeech.units import Contents, UnitInfo, Units
from sqspeech.units.formats import Entry
from sqspeech.units.store import write

CODEBOOK_SIZE = 6
CONFIG = PriorConfig.from_dict(
    {
        "steps": {"runs": True, "longest_run": 4},
        "model": {"layers": 1, "width": 16, "heads": 2, "context": 16, "dropout": 0.1},
        "training": {
            "steps": 8, "batch_size": 4, "warm_up": 2, "learning_rate_milestones": [6], "log_every": 4,
            "validate_every": 4, "checkpoint_every": 2, "checkpoint_seconds": 0.0, "precision": "float32",
        },
    },
    "test",
)  # fmt: skip
VALUES = CONFIG.to_dict() | {"task": "prior"}


def write_units(
    folder: Path,
    count: int,
    seed: int = 0,
    *,
    form: str = "kaldi",
    contents: Contents | None = None,
    speakers: tuple[str, ...] = (),
    **info: object,
) -> None:
    """Units of a chain that mostly goes up by one, or stays; with speakers in turn, the second's go down."""
    random = np.random.default_rng(seed)
    about = UnitInfo(
        **{"frame_rate": 50.0, "offset": 0.0, "codebook_size": CODEBOOK_SIZE, "checkpoint": "0" * 16, **info}
    )
    entries = []
    for number in range(count):
        steps = random.choice([0, 1, 2], p=[0.5, 0.45, 0.05], size=random.integers(5, 40))
        place = number % len(speakers) if speakers else 0
        codes = (steps.cumsum() if place == 0 else -steps.cumsum()) % CODEBOOK_SIZE
        if about.stages > 1:
            codes = np.stack([(codes + stage) % CODEBOOK_SIZE for stage in range(about.stages)], 1)
        units = Units(codes=codes)
        speaker = speakers[place] if speakers else None
        entries.append(Entry(utt_id=f"u{number:03}", path=Path("u.wav"), n_samples=16000, units=units, speaker=speaker))
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, form, iter(entries), contents or Contents(), about, folder)


def write_sets(folder: Path, factor: int = 1, **options: object) -> Path:
    """train/ and dev/ of units."""
    for name, count, seed in (("train", 20, 0), ("dev", 5, 1)):
        write_units(folder / name, factor * count, seed, **options)
    return folder


def train_prior(exp: Path, units: Path, config: PriorConfig = CONFIG) -> Path:
    """Train, and return the best checkpoint."""
    Trainer(config, *PriorTask(config).open_data(units), exp, torch.device("cpu")).run()
    return exp / "best.ckpt"
