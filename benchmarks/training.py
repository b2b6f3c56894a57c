"""Training steps: ours beside the loop as it is usually written, and on a GPU how far from the floor.

`python benchmarks/training.py RECORDINGS... --json FILE` prints the table and writes the figures. Both sides train the
published network on the same features; without RECORDINGS speech is synthesised. They take turns, each turn in a
process of its own that is warmed up first, and a ratio is one of medians over the turns. With `--device cuda` the same
is done there, and the step is set beside the machine's floor.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
import torch
import typer
from measuring import describe_machine, in_own_process, measure_ceilings, print_table, timed
from plain_training import FeatureFile, PlainTraining
from quantizer import TUNED_MALLOC
from speech import RATE, SHORT, Samples, recorded, synthesised
from torch import nn
from torch.profiler import ProfilerActivity, profile

from data_prep.command import run
from sqspeech.checkpoint import build_model
from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import Crops
from sqspeech.data.frame_cache import pack
from sqspeech.errors import DataError, SqspeechError
from sqspeech.features import LogMel
from sqspeech.models.encoder import EncoderConfig
from sqspeech.quantizers.precision import float32_products
from sqspeech.training.dev_metrics import Validation
from sqspeech.training.profiling import parts_on_cpu, parts_on_gpu
from sqspeech.training.step import WARM_UP, TrainingStep

if TYPE_CHECKING:
    from sqspeech.data.feature_store import FeatureStore

WIDTHS = (768, 256)
# As many as VCTK has: the files are given to them in turn.
SPEAKERS = 109
WHOLE = 500_000
# Of VCTK, 5 % of 44,257 utterances.
DEV = 2_213
PROFILED = 20
# A training has its cores to itself: its threads spin while they wait for each other.
OWN_CORES = {"OMP_WAIT_POLICY": "active"}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One side's turn: `side` is plain, ours or eager (ours without a CUDA graph)."""

    files: list[FeatureFile]
    config: ExperimentConfig
    device: str
    side: str
    steps: int

    def our_step(self) -> TrainingStep:
        """Return our side's step."""
        return our_step(self.config, self.files, SPEAKERS, torch.device(self.device), eager=self.side == "eager")


def of_width(width: int) -> ExperimentConfig:
    """Return the published configuration with another encoder width."""
    return replace(ExperimentConfig(), encoder=EncoderConfig(width=width))


def write_features(speech: Sequence[Samples], folder: Path) -> list[FeatureFile]:
    """Write the log-mel of each signal as a .npy file."""
    log_mel, files = LogMel(), list[FeatureFile]()
    for number, samples in enumerate(speech):
        files.append(FeatureFile(path=folder / f"{number:05}.npy", speaker=number % SPEAKERS))
        np.save(files[-1].path, log_mel(torch.from_numpy(samples)).numpy())
    return files


def select(paths: Sequence[Path], minutes: float) -> list[Samples]:
    """Return the first `minutes` of the recordings, or of synthesised speech; what is shorter than a crop is left out.

    Raises
    ------
    DataError
        All of it is.
    """
    found, seconds = list[Samples](), 0.0
    for samples in recorded(paths) if paths else synthesised():
        if len(samples) > SHORT * RATE:
            found.append(samples)
            seconds += len(samples) / RATE
        if seconds >= 60 * minutes:
            break
    if not found:
        raise DataError(f"none of the recordings is longer than {SHORT} s; give others")
    return found


def our_step(
    config: ExperimentConfig, files: Sequence[FeatureFile], n_speakers: int, device: torch.device, *, eager: bool
) -> TrainingStep:
    """Return our step, its model and features on the device."""
    torch.manual_seed(config.training.seed)
    model = build_model(config, n_speakers).to(device).train()
    frames = pack([np.load(file.path) for file in files], device)
    crops = Crops(frames, [file.speaker for file in files], config.crops, seed=config.training.seed)
    return TrainingStep(model, crops, config, device, eager=eager)


def seconds_per_step(turn: Turn) -> float:
    """Return the mean time of a step of this side in this process, its statistics read at the end."""
    ours = turn.our_step() if turn.side != "plain" else None
    step: Callable[[int], Any] = ours or PlainTraining(turn.config, turn.files, SPEAKERS, torch.device(turn.device))
    warm_up = WARM_UP + 2  # a graph is recorded after WARM_UP, and replayed once

    def train() -> None:
        for number in range(turn.steps):
            step(warm_up + number)
        if ours:
            ours.statistics()

    for number in range(warm_up):
        step(number)
    if ours:
        ours.statistics()  # waits for the device
    return timed(train, turn.device) / turn.steps


def compare(turn: Turn, rounds: int, sides: Sequence[str], **variables: str) -> dict[str, float]:
    """Let the sides take turns; medians of the seconds of a step."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in sides:
            turns = in_own_process(seconds_per_step, replace(turn, side=side), **OWN_CORES, **variables)
            seconds[side].append(turns)
            print(f"round {number + 1} of {rounds}, {side}: {1e3 * seconds[side][-1]:.3g} ms a step", flush=True)
    return {side: statistics.median(turns) for side, turns in seconds.items()}


def compare_on_cpu(turn: Turn, rounds: int, widths: Sequence[int]) -> dict[str, float]:
    """Return the ratios of the steps a second, with glibc's allocator as it is and tuned, at each width."""
    figures: dict[str, float] = {}
    for width in widths:
        for suffix, variables in (("", {}), ("_tuned", TUNED_MALLOC)):
            name = f"width_{width}{suffix}"
            print(f"encoder width {width}, malloc {'tuned' if variables else 'as it is'}", flush=True)
            seconds = compare(replace(turn, config=of_width(width)), rounds, ("plain", "ours"), **variables)
            figures |= {f"ratio_{name}": seconds["plain"] / seconds["ours"]}
            figures |= {f"steps_per_second_{side}_{name}": 1 / time for side, time in seconds.items()}
    return figures


def measure_gpu(turn: Turn, rounds: int, long: int) -> dict[str, float]:
    """Return the ratio, the milliseconds of a step, the floor, where the time goes, and the hours of a training."""
    seconds = compare(turn, rounds, ("plain", "eager", "ours"))
    figures = {
        "ratio_gpu": seconds["plain"] / seconds["ours"],
        "ms_per_step_gpu": 1e3 * seconds["ours"],
        "ms_per_step_gpu_eager": 1e3 * seconds["eager"],
        "ms_per_step_gpu_plain": 1e3 * seconds["plain"],
    }
    figures |= in_own_process(measure_floor, turn)
    figures |= in_own_process(break_down, replace(turn, side="eager"), PROFILED)
    validation = in_own_process(measure_validation, turn)
    between = turn.config.training.validate_every * seconds["ours"]
    figures |= {"validation_seconds": validation, "validation_share": validation / (validation + between)}
    if long:
        figures |= in_own_process(measure_long, replace(turn, side="ours", steps=long))
    return figures


def flops(config: ExperimentConfig) -> dict[str, float]:
    """Return the operations of a step's products by what they run in: `network` and `quantizer` (float32 always).

    A product of forward is two of backward; the first convolution's too, whose input needs no gradient.
    """
    batch, frames, n_mels = config.crops.batch_size, config.crops.frames, config.features.n_mels
    width, hidden = config.encoder.width, config.decoder.width
    quantizer, decoder = config.quantizer, config.decoder
    full = (n_mels + width) * 3 * width
    half = (4 + 3 + 3) * width**2 + 2 * quantizer.codebook_dim * width
    inputs = [quantizer.codebook_dim + decoder.speaker_dim, *[2 * hidden] * (decoder.layers - 1)]
    recurrent = sum(2 * 3 * hidden * (size + hidden) for size in inputs) + 2 * hidden * n_mels
    positions = batch * frames // 2
    products = 3 * 2 * (batch * frames * (full + recurrent) + positions * half)
    # Two products in the distance, one in the sample.
    return {"network": products, "quantizer": 3 * 3 * 2 * positions * quantizer.codebook_dim * quantizer.codebook_size}


def weight_bytes(config: ExperimentConfig) -> int:
    """Return what must pass through memory for the weights of a step, all in float32.

    They are read forward and backward and their gradients written; Adam reads weights, gradients and both moments,
    and writes all but the gradients. Activations are left out, since a cache may hold them.
    """
    return 10 * 4 * sum(weight.numel() for weight in build_model(config, SPEAKERS).parameters())


def measure_floor(turn: Turn) -> dict[str, float]:
    """Return the least time of a step: the products or the traffic, and the GRU's steps, which wait for each other."""
    ceilings = measure_ceilings(turn.device)
    half = product_rate(torch.bfloat16, turn.device)
    count, moved = flops(turn.config), weight_bytes(turn.config)
    products = count["network"] / half + count["quantizer"] / ceilings.flops
    traffic, recurrent = moved / ceilings.bandwidth, recurrent_seconds(turn.config)
    return {
        "tflops_float32": ceilings.flops / 1e12,
        "tflops_bfloat16": half / 1e12,
        "gb_per_second": ceilings.bandwidth / 1e9,
        "gflop_per_step": sum(count.values()) / 1e9,
        "floor_products_ms": 1e3 * products,
        "floor_traffic_ms": 1e3 * traffic,
        "floor_gru_ms": 1e3 * recurrent,
        "floor_ms": 1e3 * (max(products, traffic) + recurrent),
    }


def product_rate(dtype: torch.dtype, device: str, size: int = 8192) -> float:
    """Return the operations a second of a matrix product."""
    a, b = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / statistics.median(timed(lambda: a @ b, device) for _ in range(7))


def recurrent_seconds(config: ExperimentConfig) -> float:
    """Return the time of the decoder's GRU alone, forward and backward in TF32, replayed as a CUDA graph."""
    device = torch.device("cuda")
    decoder = build_model(config, SPEAKERS).decoder.to(device).train()
    shape = config.crops.batch_size, config.crops.frames, decoder.gru.input_size
    return graphed_seconds(decoder.gru, torch.randn(shape, device=device, requires_grad=True))


def graphed_seconds(gru: nn.GRU, frames: torch.Tensor) -> float:
    def work() -> None:
        with float32_products(tf32=True):
            torch.autograd.grad(gru(frames)[0].sum(), [frames, *gru.parameters()])

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return statistics.median(timed(graph.replay, "cuda") for _ in range(50))


def break_down(turn: Turn, steps: int) -> dict[str, float]:
    """Return the milliseconds of each part of a step launched operation by operation: a GPU's kernels, else the clock.

    `other` is what lies in none: the loss, the statistics, the zeroing of the gradients.
    """
    step, on_gpu = turn.our_step(), turn.device == "cuda"
    for number in range(WARM_UP):
        step(number)
    step.statistics()
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profile(activities=activities, acc_events=True) as profiler:
        start = time.perf_counter()
        for number in range(steps):
            step(WARM_UP + number)
        step.statistics()
        wall = 1e6 * (time.perf_counter() - start)
    found = parts_on_gpu(profiler.key_averages()) if on_gpu else parts_on_cpu(profiler.key_averages(), wall)
    return {f"part_{name}_ms": time / steps / 1e3 for name, time in found.items()}


def measure_validation(turn: Turn) -> float:
    """Return the seconds of a validation on as many utterances as VCTK's dev has, of lengths like those of `files`."""
    mels = [np.load(file.path) for file in turn.files]
    names = [f"{number:05}" for number in range(DEV)]
    data = [SimpleNamespace(utt_id=name, spk_id=str(int(name) % SPEAKERS)) for name in names]
    dev = SimpleNamespace(path=Path("dev"), data=data, read=lambda name: mels[int(name) % len(mels)])
    speakers = [str(number) for number in range(SPEAKERS)]
    device = torch.device(turn.device)
    validate = Validation(cast("FeatureStore", dev), speakers, turn.config.features.top_db, device)
    model = build_model(turn.config, SPEAKERS).to(device)
    validate(model)
    return min(timed(lambda: validate(model), turn.device) for _ in range(3))


def measure_long(turn: Turn) -> dict[str, float]:
    """Return the hours of the published training, from a run of many steps whose statistics are read every 100."""
    step, done = turn.our_step(), 100
    for number in range(done):
        step(number)
    step.statistics()
    start = time.perf_counter()
    for number in range(done, done + turn.steps):
        if number % 100 == 0:
            step.statistics()
            step.clear()
        step(number)
    step.statistics()
    seconds = time.perf_counter() - start
    if step.first_bad() < done + turn.steps:
        raise SqspeechError(f"step {step.first_bad() + 1} of the long run is not finite; no hours can be told from it")
    return {"long_steps": turn.steps, "long_seconds": seconds, "hours_whole": seconds / turn.steps * WHOLE / 3600}


def print_figures(device: str, figures: dict[str, float]) -> None:
    print_table(f"{device}: training step", ("", "figure"), [[name, f"{value:.4g}"] for name, value in figures.items()])


def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDINGS", help="Recordings or folders; synthesised if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    steps: Annotated[int, typer.Option(min=1, help="Steps of a turn.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    minutes: Annotated[float, typer.Option(min=0.01, help="How much of the speech is used.")] = 4,
    widths: Annotated[list[int], typer.Option("--width", min=1, help="Of the encoder, on a CPU.")] = list(WIDTHS),  # noqa: B006
    long: Annotated[int, typer.Option(min=0, help="Steps of one long run on a GPU; 0: none.")] = 0,
) -> None:
    """Compare our training step with the loop as it is usually written; on a GPU, with the machine's floor too."""
    if device == "cuda" and not torch.cuda.is_available():
        raise SqspeechError("--device cuda: no GPU here that torch can use; leave the option out")
    with TemporaryDirectory() as folder:
        speech = select(paths or [], minutes)
        seconds = sum(map(len, speech)) / RATE
        print(f"{len(speech)} utterances, {seconds / 60:.1f} min", flush=True)
        files = write_features(speech, Path(folder))
        turn = Turn(files=files, config=ExperimentConfig(), device=device, side="ours", steps=steps)
        figures = measure_gpu(turn, rounds, long) if device == "cuda" else compare_on_cpu(turn, rounds, widths)
    print_figures(device, figures)
    if json_file:
        machine = describe_machine() | ({"gpu": torch.cuda.get_device_name()} if device == "cuda" else {})
        json_file.write_text(json.dumps(figures | {"machine": machine}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
