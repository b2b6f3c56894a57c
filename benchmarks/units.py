"""Time of the extraction of units on one core, beside the bare convolutions of the encoder.

`python benchmarks/units.py RECORDINGS... --json FILE` extracts the units of speech with a model of the published size,
whose weights are random: time does not depend on them. Times are CPU seconds of one thread. The floor is the encoder's
convolutions alone, each recording's log-mel at once, in the same run; `floor_fraction` is its share of what the command
takes for all recordings together, from files to files. With `--device cuda` the speed of features, encoder and codes
is measured there.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import soundfile
import torch
import typer
from measuring import cpu_seconds, describe_machine, in_own_process, own_bytes, print_table, timed, watching
from speech import RATE, Samples, recorded, synthesised
from torch import Tensor, nn

from data_prep.command import run
from sqspeech import audio
from sqspeech.checkpoint import build_model, checkpoint_content, write_content
from sqspeech.config import ExperimentConfig
from sqspeech.data.inputs import read_inputs
from sqspeech.features import LogMel
from sqspeech.units import UnitExtractor, extract_corpus

ROUNDS = 3


def write_checkpoint(path: Path) -> None:
    """Write a model of the published size that was not trained, with codewords among its latents."""
    config = ExperimentConfig()
    model = build_model(config, 1).eval()
    with torch.no_grad():
        mel = LogMel()(torch.from_numpy(np.random.default_rng(0).standard_normal(RATE * 20, np.float32)))
        z = model.encoder(mel[None, : len(mel) // 2 * 2])[0, :, : model.quantizer.dim]
        model.quantizer.codebook.copy_(z[: len(model.quantizer.codebook)])
    write_content(path, checkpoint_content(config, ["a"], {}, model, {}))


def speech(paths: list[Path], minutes: float) -> list[Samples]:
    """Return recordings of so many minutes in all, or synthesised speech."""
    found, length = list[Samples](), 0
    for samples in recorded(paths) if paths else synthesised():
        found.append(samples)
        length += len(samples)
        if length >= 60 * minutes * RATE:
            break
    return found


def measure_speed(checkpoint: Path, folder: Path) -> dict[str, float]:
    """Return how many seconds of audio are gone through in one second of a core, in this process."""
    torch.set_num_threads(1)
    utterances = read_inputs([folder])
    extractor = UnitExtractor.load(checkpoint)
    convolutions = [layer for layer in extractor.trained.model.encoder.layers if isinstance(layer, nn.Conv1d)]
    samples = [utterance.read(RATE) for utterance in utterances]
    mels = [extractor.trained.log_mel(torch.from_numpy(each)).T[None] for each in samples]

    @torch.inference_mode()
    def floor(mel: Tensor) -> None:
        for convolution in convolutions:
            mel = convolution(mel)

    def single(path: Path) -> None:
        extractor.extract(*audio.read(path))

    def batched(output: Path) -> None:
        extract_corpus(checkpoint, utterances, output, ["kaldi"])

    found = cpu_seconds(
        ROUNDS,
        {
            "floor": (floor, mels),
            "single": (single, [utterance.path for utterance in utterances]),
            "batched": (batched, [folder.parent / "units"]),
        },
    )
    seconds = sum(map(len, samples)) / RATE
    return {f"xrt_{name}": seconds / elapsed for name, elapsed in found.items()} | {
        "floor_fraction": found["floor"] / found["batched"],
        "floor_fraction_single": found["floor"] / found["single"],
    }


def measure_memory(checkpoint: Path, recording: Path, output: Path) -> float:
    """Return the bytes that the units of a recording take at most, beyond those of half a minute, in this process."""
    torch.set_num_threads(1)
    extractor = UnitExtractor.load(checkpoint)
    samples, rate = audio.read(recording, end=30)
    extractor.extract(samples, rate)
    held = [own_bytes()]
    with watching(held):
        extract_corpus(checkpoint, read_inputs([recording]), output, ["kaldi"])
    return float(max(held) - held[0])


def measure_gpu(checkpoint: Path, samples: list[Samples]) -> dict[str, float]:
    """Return how many seconds of audio a GPU goes through in one, from samples in its host's memory to codes."""
    extractor = UnitExtractor.load(checkpoint, "cuda")
    extractor.codec.encode_many(samples)
    elapsed = min(timed(lambda: extractor.codec.encode_many(samples), "cuda") for _ in range(5))
    return {"xrt_gpu": sum(map(len, samples)) / RATE / elapsed}


def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDINGS", help="Recordings or folders; synthesised if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    minutes: Annotated[float, typer.Option(min=0.05, help="Of speech, for the speed.")] = 5,
    hours: Annotated[float, typer.Option(min=0.01, help="Of a recording, for the memory.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, or cuda to measure a GPU instead.")] = "cpu",
) -> None:
    """Measure the speed and the memory of the extraction of units."""
    with TemporaryDirectory() as name:
        folder, checkpoint = Path(name) / "speech", Path(name) / "model.ckpt"
        write_checkpoint(checkpoint)
        samples = speech(paths or [], minutes)
        if device == "cuda":
            figures = in_own_process(measure_gpu, checkpoint, samples)
        else:
            folder.mkdir()
            for number, each in enumerate(samples):
                soundfile.write(folder / f"{number:05}.flac", each, RATE)
            figures = in_own_process(measure_speed, checkpoint, folder, OMP_NUM_THREADS="1")
            recording = Path(name) / "long.flac"
            soundfile.write(recording, np.resize(np.concatenate(samples), round(3600 * hours * RATE)), RATE)
            held = in_own_process(measure_memory, checkpoint, recording, Path(name) / "long", OMP_NUM_THREADS="1")
            figures[f"megabytes_{hours:g}_hours"] = held / 1e6
    print_table("units", ("", "figure"), [[name, f"{value:.3g}"] for name, value in figures.items()])
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
