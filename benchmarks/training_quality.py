"""Comparison of the fast training step with the loop as it is usually written in float32: reconstruction error on dev.

`python benchmarks/training_quality.py RECORDINGS... --steps N --folder EXP --json FILE` trains both sides with each
seed and prints the error's mean and standard deviation over the seeds. The last tenth of each speaker's utterances is
dev; recordings outside a data directory are their folder's speaker's. Finished runs are kept in EXP, so a benchmark
that was stopped goes on when it is called again. Ours is the step as `sqspeech train` takes it: on a GPU in bfloat16
as a CUDA graph. The plain side's products are all IEEE single precision, and so are those of the measurement.
"""

import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from measuring import in_own_process, print_table
from plain_training import FeatureFile, PlainTraining
from torch import Tensor
from training import our_step

from data_prep.command import run
from sqspeech.atomic import atomic_path, write_text
from sqspeech.checkpoint import build_model
from sqspeech.config import ExperimentConfig, TrainingConfig
from sqspeech.data.crops import CONTEXT
from sqspeech.data.data_dir import Utterance
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError, SqspeechError
from sqspeech.evaluation.metrics.reconstruction import measure_reconstruction
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.models.encoder import EncoderConfig
from sqspeech.progress import track

SIDES = ("ours", "plain")
# A single evaluation jumps, so a run's error is the mean of those after these shares of its steps.
EVALUATED = (0.8, 0.9, 1.0)
HELD_OUT = 0.1


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Features of the same speakers to train on and to measure with."""

    train: list[FeatureFile]
    dev: list[FeatureFile]
    n_speakers: int


def write_features(utterances: Sequence[Utterance], folder: Path, config: LogMelConfig) -> list[Path]:
    """Write the log-mel of each utterance as a .npy file, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    log_mel, paths = LogMel(config), [folder / f"{number:06}.npy" for number in range(len(utterances))]
    for utterance, path in zip(track(utterances, "features", len(utterances)), paths, strict=True):
        if not path.exists():
            mel = log_mel(torch.from_numpy(utterance.read(config.sample_rate))).numpy()
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, mel)
    return paths


def speaker_of(utterance: Utterance) -> str:
    """Return the speaker, or where none is known the folder that the recording lies in."""
    return utterance.spk_id if utterance.spk_id != utterance.utt_id else str(utterance.path.parent)


def split(utterances: Sequence[Utterance], paths: Sequence[Path], shortest: int) -> Corpus:
    """Hold out the last tenth of each speaker's utterances, one at least; those below `shortest` frames are left out.

    Raises
    ------
    DataError
        No speaker has two utterances.
    """
    long = [
        (speaker_of(utterance), utterance.utt_id, path)
        for utterance, path in zip(utterances, paths, strict=True)
        if len(np.load(path, mmap_mode="r")) >= shortest
    ]
    corpus = Corpus(train=[], dev=[], n_speakers=len({speaker for speaker, _, _ in long}))
    for index, (_, group) in enumerate(groupby(sorted(long), key=lambda entry: entry[0])):
        files = [FeatureFile(path=path, speaker=index) for _, _, path in group]
        held_out = max(1, round(HELD_OUT * len(files))) if len(files) > 1 else 0
        corpus.train.extend(files[: len(files) - held_out])
        corpus.dev.extend(files[len(files) - held_out :])
    if not corpus.dev:
        raise DataError(
            f"no speaker has two utterances of {shortest} frames, of which one could be held out; give more recordings"
        )
    return corpus


def errors(side: str, config: ExperimentConfig, corpus: Corpus, device: str) -> list[float]:
    """Train one side and return its errors on dev in dB², one for each of `EVALUATED`."""
    there = torch.device(device)
    for switch in (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn):
        switch.fp32_precision = "ieee"
    training = (
        PlainTraining(config, corpus.train, corpus.n_speakers, there)
        if side == "plain"
        else our_step(config, corpus.train, corpus.n_speakers, there, eager=False)
    )
    step: Callable[[int], Any] = training
    steps, found = config.training.steps, list[float]()
    marks = {round(share * steps) for share in EVALUATED}
    for number in track(range(steps), f"{side}, seed {config.training.seed}", steps):
        step(number)
        if number + 1 in marks:
            found.append(error(training.model.state_dict(), config, corpus, there))
    return found


def error(weights: Mapping[str, Tensor], config: ExperimentConfig, corpus: Corpus, device: torch.device) -> float:
    """Return the mean squared error on dev in dB², each utterance at full length."""
    with torch.random.fork_rng(devices=[]):  # the run that is looked at goes on with its own draws
        model = build_model(config, corpus.n_speakers).to(device).eval()
    model.load_state_dict(weights)
    utterances = (
        (torch.from_numpy(np.load(file.path)).to(device)[None], torch.tensor([file.speaker], device=device))
        for file in corpus.dev
    )
    return measure_reconstruction(model, utterances, config.features.top_db).mse_db2


class Finished:
    """The runs that are done, in a file; those of other settings are refused."""

    def __init__(self, path: Path, setting: Mapping[str, Any]) -> None:
        self.path, self.setting, self.runs = path, setting, dict[str, list[float]]()
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["setting"] != setting:
                raise SqspeechError(f"{path}: begun with other recordings or settings; give another --folder")
            self.runs = content["runs"]

    def get(self, name: str, train: Callable[[], list[float]]) -> list[float]:
        """Return the errors of a run, which is done now unless it was before."""
        if name not in self.runs:
            self.runs[name] = train()
            self.write()
        return self.runs[name]

    def write(self) -> None:
        """Write the file."""
        write_text(self.path, json.dumps({"setting": self.setting, "runs": self.runs}, indent=2) + "\n")


def compare(config: ExperimentConfig, corpus: Corpus, device: str, seeds: int, finished: Finished) -> dict[str, float]:
    """Train each side with each seed; the errors' means and standard deviations over the seeds, in dB²."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for seed in range(seeds):
        seeded = replace(config, training=replace(config.training, seed=seed))
        for side in SIDES:
            run_errors = finished.get(
                f"{side}-{seed}",
                lambda side=side, seeded=seeded: in_own_process(errors, side, seeded, corpus, device),
            )
            found[side].append(statistics.mean(run_errors))
            print(f"{side}, seed {seed}: {found[side][-1]:.4g} dB²", flush=True)
    return summarise(found)


def summarise(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return each side's mean and standard deviation, and the difference also in units of the sides' pooled one."""
    means = {side: statistics.mean(values) for side, values in found.items()}
    deviations = {side: statistics.stdev(values) for side, values in found.items()}
    pooled = statistics.fmean(deviation**2 for deviation in deviations.values()) ** 0.5
    difference = means["ours"] - means["plain"]
    return {
        **{f"mse_db2_{side}": mean for side, mean in means.items()},
        **{f"sd_db2_{side}": deviation for side, deviation in deviations.items()},
        "difference_db2": difference,
        "difference_in_sd": difference / pooled,
    }


def print_figures(figures: Mapping[str, float], steps: int, seeds: int) -> None:
    lines = [[side, f"{figures[f'mse_db2_{side}']:.4g} ± {figures[f'sd_db2_{side}']:.2g}"] for side in SIDES]
    difference = f"{figures['difference_db2']:+.2g} ({figures['difference_in_sd']:+.2f} sd)"
    print(f"error on dev after {steps} steps: mean ± standard deviation of {seeds} seeds")
    print_table("", ("", "dB²"), [*lines, ["ours − plain", difference]])


def digest(utterances: Sequence[Utterance]) -> str:
    """Return what tells these recordings from others."""
    return hashlib.sha256("\n".join(map(repr, utterances)).encode()).hexdigest()


def main(
    paths: Annotated[list[Path], typer.Argument(metavar="RECORDINGS", help="Data directories or folders.")],
    folder: Annotated[Path, typer.Option(help="Holds the features and the finished runs.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    steps: Annotated[int, typer.Option(min=10, help="Of each run.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each side.")] = 3,
    width: Annotated[int, typer.Option(min=1, help="Of the encoder.")] = 768,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Compare what our training step and the loop as it is usually written learn in the same number of steps."""
    if device == "cuda" and not torch.cuda.is_available():
        raise SqspeechError("--device cuda: no GPU here that torch can use; leave the option out")
    config = ExperimentConfig(encoder=EncoderConfig(width=width), training=TrainingConfig(steps=steps))
    utterances = sorted(read_inputs(paths), key=lambda utterance: utterance.utt_id)
    setting = {"config": config.to_dict(), "recordings": digest(utterances), "device": device}
    folder.mkdir(parents=True, exist_ok=True)
    finished = Finished(folder / "runs.json", setting)
    finished.write()
    features = write_features(utterances, folder / "features", config.features)
    corpus = split(utterances, features, config.crops.frames + CONTEXT)
    print(f"{len(corpus.train)} utterances to train on, {len(corpus.dev)} held out, {corpus.n_speakers} speakers")
    figures = compare(config, corpus, device, seeds, finished)
    print_figures(figures, steps, seeds)
    if json_file:
        content = figures | {"runs": finished.runs, "setting": setting}
        json_file.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
