"""Memory of a training on a corpus of VCTK's size, in each place where its features may stay.

`python benchmarks/residency.py --json FILE` writes a dump of 44 hours of synthesised frames (5 GB, in --folder, which
is kept for the next call), then trains on it with the published configuration: from the memory of the device, from
that of the host, and mapped from disk. Each runs in a process of its own. What its memory holds beyond that of the
same training on one utterance of each speaker is set beside what `sqspeech train` announces.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, get_args

import numpy as np
import torch
import typer
from measuring import describe_machine, in_own_process, own_bytes, print_table, watching

from data_prep.command import run
from sqspeech.atomic import write_text
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_ark import GrowingArk
from sqspeech.data.feature_store import STATE_NAME, DumpState, FeatureStore
from sqspeech.data.frame_cache import Residency
from sqspeech.data.speaker_pitch import NAME as PITCH_NAME
from sqspeech.features import LogMelConfig
from sqspeech.progress import track
from sqspeech.training import Trainer

# As VCTK 0.92 after preparation: hours, utterances, speakers.
HOURS, UTTERANCES, SPEAKERS = 44, 44_257, 109
FRAMES_PER_HOUR = 360_000
PLACES = [place for place in get_args(Residency) if place != "auto"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Memory that one training announced and that its process held at most (both in bytes), and its speed."""

    announced: float
    held: float
    held_on_gpu: float
    steps_per_second: float


def write_dump(folder: Path, utterances: int, hours: float) -> None:
    """Write a dump of frames that vary from band to band and from frame to frame, unless it is there."""
    if (folder / STATE_NAME).exists():
        return
    config, draw = LogMelConfig(), np.random.default_rng(0)
    lengths = draw.multinomial(round(hours * FRAMES_PER_HOUR), draw.dirichlet(np.full(utterances, 8.0)))
    names = [(f"p{number % SPEAKERS:03}", f"p{number % SPEAKERS:03}_{number:05}") for number in range(utterances)]
    pool = draw.random((2 * max(lengths), config.n_mels), np.float32)
    ark = GrowingArk(folder)
    for (_, name), length in zip(track(names, f"writing {folder}", utterances), lengths, strict=True):
        start = draw.integers(len(pool) - length)
        ark.append(name, pool[start : start + length])
    ark.close()
    data = DataDir(tuple(Utterance(utt_id=name, spk_id=speaker, path=Path(f"{name}.wav")) for speaker, name in names))
    data.write(folder)
    scp = [f"{name} {entry.ark}:{entry.offset}\n" for name, entry in sorted(ark.entries.items())]
    write_text(folder / "feats.scp", "".join(scp))
    write_text(folder / PITCH_NAME, "".join(f"{speaker} 5.0 0.2\n" for speaker in data.speakers))
    write_text(folder / STATE_NAME, DumpState(config=config, fingerprint="synthesised").to_json())


def train(dump: Path, dev: Path, residency: Residency, device: str, steps: int) -> Training:
    """Train in this process."""
    default = ExperimentConfig()
    config = replace(default, training=replace(default.training, steps=steps, log_every=steps, validate_every=steps))
    held = [own_bytes()]
    with TemporaryDirectory() as exp, watching(held):
        train_store, dev_store = (FeatureStore.open(path) for path in (dump, dev))
        trainer = Trainer(config, train_store, dev_store, Path(exp), torch.device(device), residency=residency)
        trainer.run()
        first = json.loads((Path(exp) / "metrics.jsonl").read_text().splitlines()[0])
    said = trainer.batches.describe()
    print(said, flush=True)
    return Training(
        announced=1e9 * float(re.findall(r"([\d.]+) GB", said)[-1]),
        held=max(held),
        held_on_gpu=torch.cuda.max_memory_allocated() if device == "cuda" else 0.0,
        steps_per_second=first["steps_per_second"],
    )


def compare(dumps: Path, device: str, steps: int) -> dict[str, float]:
    """Return for each place what is announced and what is held beyond the small training, in GB, and the speed."""

    def run_one(name: str, residency: Residency) -> Training:
        return in_own_process(train, dumps / name, dumps / "small", residency, device, steps)

    small, figures = run_one("small", "device"), dict[str, float]()
    for place in PLACES:
        found = run_one("train", place)
        figures |= {
            f"announced_gb_{place}": found.announced / 1e9,
            f"held_gb_{place}": (found.held - small.held) / 1e9,
            f"held_on_gpu_gb_{place}": (found.held_on_gpu - small.held_on_gpu) / 1e9,
            f"speed_ratio_{place}": found.steps_per_second / small.steps_per_second,
        }
    return figures


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the dump is kept; else it is temporary.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    steps: Annotated[int, typer.Option(min=1, help="Steps of a training.")] = 20,
    utterances: Annotated[int, typer.Option(min=SPEAKERS, help="Of the corpus.")] = UTTERANCES,
    hours: Annotated[float, typer.Option(min=0.01, help="Of the corpus.")] = HOURS,
) -> None:
    """Compare the memory that a training holds with what it announces, wherever its features are."""
    with TemporaryDirectory() as temporary:
        dumps = folder or Path(temporary)
        write_dump(dumps / "train", utterances, hours)
        write_dump(dumps / "small", SPEAKERS, SPEAKERS * hours / utterances)
        figures = compare(dumps, device, steps)
    columns = ("announced_gb", "held_gb", "held_on_gpu_gb", "speed_ratio")
    rows = [[place, *(f"{figures[f'{column}_{place}']:.3g}" for column in columns)] for place in PLACES]
    print_table(f"{device}: {hours:g} hours of features, beside one utterance a speaker", ("from", *columns), rows)
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
