"""Time of conversion on one core relative to the speech, and the memory for ten minutes.

`python benchmarks/conversion.py RECORDINGS... --json FILE` converts speech with a model of the published size, whose
weights are random: time does not depend on them. A real-time factor is the CPU seconds of one thread for a second of
speech, of a whole conversion or of one part of it; `world_over_harvest` is the time of a conversion with WORLD over the
time that it would take with F0 by Harvest. With `--device cuda` a GPU is measured instead, by the clock: how many times
faster than real time the network and conversion are, and how long a speaker takes to be added.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer
from measuring import describe_machine, in_own_process, own_bytes, print_table, timed, watching
from speech import RATE, Samples, recorded, synthesised

from data_prep.command import run
from sqspeech.checkpoint import build_model, checkpoint_content, write_content
from sqspeech.codec import PitchRule
from sqspeech.codec.pieces import cut
from sqspeech.codec.speakers import find_speaker
from sqspeech.config import ExperimentConfig
from sqspeech.conversion import Converter, convert_all, plan
from sqspeech.conversion.enrolment import fit_embedding
from sqspeech.data.inputs import read_inputs
from sqspeech.pitch import Excitation, SpeakerPitch, aperiodicity, harvest_f0, track_f0
from sqspeech.vocoders.source_filter import SourceFilter, SourceFilterConfig

SPEAKERS = [f"p{number:03}" for number in range(109)]
VOCODERS = ("world", "neural", "world_refined", "griffin_lim")


def write_checkpoint(path: Path) -> None:
    """Write a model of the published size, and a vocoder of the usual size, that were not trained."""
    config, pitch = ExperimentConfig(), SpeakerPitch(log_mean=5.0, log_std=0.2)
    model, size = build_model(config, len(SPEAKERS)), SourceFilterConfig()
    vocoder = {"name": "neural", "network": asdict(size), "model": SourceFilter(size, config.features).state_dict()}
    content = checkpoint_content(config, SPEAKERS, dict.fromkeys(SPEAKERS, pitch), model, {})
    write_content(path, content | {"vocoder": vocoder})


def speech(paths: list[Path], seconds: float) -> list[Samples]:
    """Return recordings of so many seconds in all, or synthesised speech."""
    found, length = list[Samples](), 0
    for samples in recorded(paths) if paths else synthesised():
        found.append(samples)
        length += len(samples)
        if length >= seconds * RATE:
            break
    return found


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of a call, the least of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


@torch.inference_mode()
def measure_speed(checkpoint: Path, samples: list[Samples]) -> dict[str, float]:
    """Return the real-time factors, in this process."""
    torch.set_num_threads(1)
    seconds = sum(map(len, samples)) / RATE
    converters = {name: Converter.load(checkpoint, vocoder=name) for name in VOCODERS}
    network = converters["world"]
    found = {f"rtf_{name}": cpu_seconds(work) / seconds for name, work in parts(network, samples).items()}
    found["rtf_decoder"] = found["rtf_network"] - found["rtf_encoder"]
    for name, converter in converters.items():
        elapsed = cpu_seconds(lambda c=converter: [c.convert(each, RATE, to=SPEAKERS[3]) for each in samples])
        found[f"rtf_{name}"] = elapsed / seconds
    with_harvest = found["rtf_world"] - found["rtf_f0"] + found["rtf_f0_by_harvest"]
    found["world_over_harvest"] = found["rtf_world"] / with_harvest
    voices = [find_speaker(network.trained, name) for name in SPEAKERS[:9]]

    def to_nine_voices() -> None:
        for each in samples:
            outs = [np.zeros_like(each) for _ in voices]
            network.codec.synthesizer.convert(outs, each, voices, network.vocoder, pitch=PitchRule.parse("target"))

    found["rtf_world_nine_voices"] = cpu_seconds(to_nine_voices) / seconds
    return found


def parts(converter: Converter, samples: Sequence[Samples]) -> dict[str, Callable[[], object]]:
    """Return the work of each part of a conversion, of all of the network, and of Harvest in place of F0."""
    codec, hop = converter.codec, converter.trained.config.features.hop_length
    neural = codec.vocoders.find("neural")
    tracks = [track_f0(each, RATE, hop) for each in samples]
    noises = [aperiodicity(each, f0, RATE, hop) for each, f0 in zip(samples, tracks, strict=True)]
    sources = [Excitation(f0=f0, aperiodicity=noise) for f0, noise in zip(tracks, noises, strict=True)]
    mels = [converter.trained.log_mel(torch.from_numpy(each)) for each in samples]
    return {
        "f0": lambda: [track_f0(each, RATE, hop) for each in samples],
        "f0_by_harvest": lambda: [harvest_f0(each, RATE, hop) for each in samples],
        "aperiodicity": lambda: [aperiodicity(*each, RATE, hop) for each in zip(samples, tracks, strict=True)],
        "encoder": lambda: [codec.synthesizer.latents(codec.encoder.measured(each)) for each in samples],
        "network": lambda: through_the_network(converter, samples),
        "vocoder": lambda: [converter.vocoder(*each) for each in zip(mels, sources, strict=True)],
        "neural_vocoder": lambda: [neural(*each) for each in zip(mels, sources, strict=True)],
    }


def through_the_network(converter: Converter, samples: Sequence[Samples]) -> None:
    """Encode, quantise and decode recordings, their features included, for another speaker."""
    speaker, codec = find_speaker(converter.trained, SPEAKERS[3]), converter.codec
    unit = converter.trained.model.geometry.stride * converter.trained.config.features.hop_length
    with torch.inference_mode():
        for each in samples:
            latents = codec.synthesizer.latents(codec.encoder.measured(each))
            pieces = cut(len(each), RATE, unit, each)
            for mels in codec.synthesizer.decoder.mels([latents], pieces, [speaker])():
                for mel in mels:
                    mel.cpu()


def measure_gpu(checkpoint: Path, samples: list[Samples]) -> dict[str, float]:
    """Return the speeds on a GPU, and the seconds that enrolment takes, in this process."""
    seconds, found = sum(map(len, samples)) / RATE, dict[str, float]()
    converters = {name: Converter.load(checkpoint, "cuda", name) for name in VOCODERS}
    works = {"network": lambda: through_the_network(converters["world"], samples)} | {
        name: lambda c=converter: [c.convert(each, RATE, to=SPEAKERS[3]) for each in samples]
        for name, converter in converters.items()
    }
    for name, work in works.items():
        work()
        found[f"xrt_gpu_{name}"] = seconds / min(timed(work, "cuda") for _ in range(3))
    trained, half_a_minute = converters["world"].trained, np.resize(np.concatenate(samples), 30 * RATE)
    found["enrolment_seconds_gpu"] = timed(lambda: fit_embedding(trained, [trained.features(half_a_minute)]), "cuda")
    return found


def measure_memory(checkpoint: Path, recording: Path, output: Path, vocoder: str) -> float:
    """Return the bytes that converting a recording takes at most, beyond what half a minute takes, in this process."""
    torch.set_num_threads(1)
    converter = Converter.load(checkpoint, vocoder=vocoder)
    (whole,) = plan(read_inputs([recording]), [SPEAKERS[3]], None, [])
    converter.convert(whole.utterance.read(RATE)[: 30 * RATE], RATE, to=SPEAKERS[3])
    held = [own_bytes()]
    with watching(held):
        convert_all(converter, [whole], output)
    return float(max(held) - held[0])


def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDINGS", help="Recordings or folders; synthesised if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of speech, for the speed.")] = 60,
    minutes: Annotated[list[float], typer.Option(min=0.1, help="Of a recording, for the memory.")] = [10, 40],  # noqa: B006
    device: Annotated[str, typer.Option(help="cpu, or cuda to measure a GPU instead.")] = "cpu",
) -> None:
    """Measure the speed and the memory of conversion."""
    with TemporaryDirectory() as folder:
        checkpoint, recording = Path(folder) / "model.ckpt", Path(folder) / "long.wav"
        write_checkpoint(checkpoint)
        samples = speech(paths or [], seconds)
        if device == "cuda":
            figures = in_own_process(measure_gpu, checkpoint, samples)
        else:
            figures = in_own_process(measure_speed, checkpoint, samples, OMP_NUM_THREADS="1")
            for length in minutes:
                soundfile.write(recording, np.resize(np.concatenate(samples), round(60 * length * RATE)), RATE)
                held = in_own_process(
                    measure_memory, checkpoint, recording, Path(folder) / "out", "world", OMP_NUM_THREADS="1"
                )
                figures[f"megabytes_{length:g}_minutes"] = held / 1e6
    print_table("conversion", ("", "figure"), [[name, f"{value:.3g}"] for name, value in figures.items()])
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
