"""Log-mel features: ours beside librosa's per core, where the time goes, how two processes scale, what memory it takes.

`python benchmarks/features.py AUDIO... --json FILE` prints the table and writes the figures. The speech is written anew
as 16-bit FLAC at 16 kHz, and as FLAC and WAV at 48 kHz; without AUDIO it is synthesised. What is compared takes turns
in one process, on one thread, and its time is the CPU's. Of several turns the best counts: what else runs on the
machine only ever adds to one.
"""

import json
import os
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import batched
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import librosa
import numpy as np
import torch
import typer
from measuring import cpu_seconds, descendants, describe_machine, in_own_process, peak_bytes, print_table, timed
from numpy.typing import NDArray
from speech import RATE, Recordings, Samples, corpus, recorded, short_corpus, synthesised, write_recordings

from data_prep.command import run
from sqspeech import audio
from sqspeech.corpus import Processes
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_extraction import UTTERANCES_AT_ONCE, extract_features
from sqspeech.errors import SqspeechError
from sqspeech.features import LogMel, LogMelConfig

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TARGETS = {"ratio_per_core": 1.6, "scaling_2_jobs": 1.7}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The seconds that an extraction took: on the clock, and of the CPU in the process that called for it."""

    wall: float
    cpu: float


def librosa_log_mel(samples: Samples) -> NDArray[Any]:
    """Return the published features, (T, M), as their authors' script makes them."""
    samples = samples / np.abs(samples).max() * 0.999
    mel = librosa.feature.melspectrogram(
        y=librosa.effects.preemphasis(samples, coef=0.97, zi=[0.0]),
        sr=RATE,
        n_fft=2048,
        n_mels=80,
        hop_length=160,
        win_length=400,
        fmin=50,
        fmax=8000,
        power=1,
        pad_mode="reflect",
    )
    return (librosa.amplitude_to_db(mel, top_db=80) / 80 + 1).T


def librosa_features(path: Path) -> NDArray[Any]:
    return librosa_log_mel(librosa.load(path, sr=RATE)[0])


def our_features(log_mel: LogMel, path: Path) -> Samples:
    audio.probe(path)  # as feature extraction does
    return our_log_mel(log_mel, audio.read(path, RATE)[0])


def our_log_mel(log_mel: LogMel, samples: Samples) -> Samples:
    mel: Samples = log_mel(torch.from_numpy(samples)).numpy()
    return mel


def measure_per_core(recordings: Recordings, rounds: int) -> dict[str, float]:
    """Return the ratios to librosa's time, the largest difference of the features, and the shares at 48 kHz."""
    log_mel = LogMel()
    ours, transform = partial(our_features, log_mel), partial(our_log_mel, log_mel)
    at_16k, at_48k = ([audio.read(path)[0] for path in paths] for paths in (recordings.flac_16k, recordings.flac_48k))
    differences = [np.abs(ours(path) - librosa_features(path)).max().item() for path in recordings.flac_16k]
    cost = cpu_seconds(
        rounds,
        {
            "ours": (ours, recordings.flac_16k),
            "librosa": (librosa_features, recordings.flac_16k),
            "transform": (transform, at_16k),
            "librosa_transform": (librosa_log_mel, at_16k),
            "flac": (audio.read, recordings.flac_48k),
            "wav": (audio.read, recordings.wav_48k),
            "resample": (lambda samples: audio.resample(samples, 3 * RATE, RATE), at_48k),
        },
    )
    return {
        "ratio_per_core": cost["librosa"] / cost["ours"],
        "ratio_transform": cost["librosa_transform"] / cost["transform"],
        "max_difference": max(differences),
        "xrt_16k": recordings.seconds / cost["ours"],
        **shares("48k", cost["flac"], cost["resample"], cost["transform"], recordings.seconds),
        **shares("48k_wav", cost["wav"], cost["resample"], cost["transform"], recordings.seconds),
    }


def shares(name: str, decode: float, resample: float, transform: float, seconds: float) -> dict[str, float]:
    total = decode + resample + transform
    parts = {"decode": decode, "resample": resample, "transform": transform}
    return {f"xrt_{name}": seconds / total} | {f"share_{part}_{name}": cost / total for part, cost in parts.items()}


def extract(utterances: list[Utterance], jobs: int, device: str = "cpu") -> Run:
    """Extract the features of the utterances into a folder that is then removed."""
    with TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        done, failures = extract_features(
            DataDir(tuple(utterances)),
            Path(folder, "dump"),
            LogMelConfig(),
            workers=Processes(jobs),
            device=torch.device(device),
        )
        run = Run(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
    if failures.reasons:
        print(f"{len(failures.reasons)} of {len(utterances)} have no features: {next(iter(failures.reasons.values()))}")
    if not done:
        raise SqspeechError("no recording could be used; give others")
    return run


def measure_startup(paths: Sequence[Path]) -> dict[str, float]:
    """Return what it takes to begin: the time of a corpus of four utterances in a new process."""
    one, two = (in_own_process(extract, corpus(paths[:1], 4), jobs, **ONE_THREAD).wall for jobs in (1, 2))
    return {"startup_1_job_s": one, "startup_ratio": two / one}


def measure_scaling(recordings: Recordings, repeats: int, rounds: int) -> dict[str, float]:
    """Return what two jobs bring, the start-up taken off, and what two processes that share nothing would.

    All are copies of a server that is running. What else there is to start is the time of four utterances.
    """
    paths = recordings.flac_16k
    corpora = {"start": corpus(paths[:1], 4), "long": corpus(paths, repeats)}
    runs: dict[tuple[str, int], list[Run]] = {(name, jobs): [] for name in corpora for jobs in (1, 2)}
    apart: dict[int, list[float]] = {1: [], 2: []}
    extract(corpora["start"], 1)
    for number in range(rounds):
        print(f"two jobs beside one, round {number + 1} of {rounds}", flush=True)
        for name, jobs in runs:
            runs[name, jobs].append(extract(corpora[name], jobs))
        for count, seconds in apart.items():
            seconds.append(seconds_at_once(count, paths, max(1, repeats // 2)))
    wall = {key: min(run.wall for run in found) for key, found in runs.items()}
    steady = {jobs: wall["long", jobs] - wall["start", jobs] for jobs in (1, 2)}
    scaling, ceiling = steady[1] / steady[2], 2 * min(apart[1]) / min(apart[2])
    read = repeats * recordings.seconds - 4 * audio.probe(paths[0]).seconds
    return {
        "scaling_2_jobs": scaling,
        "scaling_ceiling": ceiling,
        "scaling_to_ceiling": scaling / ceiling,
        "parent_busy_2_jobs": min(run.cpu / run.wall for run in runs["long", 2]),
        "xrt_1_job": read / steady[1],
        "xrt_2_jobs": read / steady[2],
    }


def seconds_at_once(count: int, paths: Sequence[Path], repeats: int) -> float:
    """Return the time of the slowest of `count` processes, each of which makes all the features."""
    with ProcessPoolExecutor(count, mp_context=get_context("forkserver")) as pool:
        return max(pool.map(seconds_alone, [paths] * count, [repeats] * count))


def seconds_alone(paths: Sequence[Path], repeats: int) -> float:
    torch.set_num_threads(1)
    log_mel = LogMel()
    our_features(log_mel, paths[0])
    start = time.perf_counter()
    for path in list(paths) * repeats:
        our_features(log_mel, path)
    return time.perf_counter() - start


def measure_memory(recordings: Recordings, count: int) -> dict[str, float]:
    """Return the peak memory for `count` short utterances and for ten times as many, with two jobs."""
    small, large = (
        in_own_process(peaks, short_corpus(recordings.flac_16k, number), **ONE_THREAD) for number in (count, 10 * count)
    )
    return {
        "rss_parent_mb_small": small[0] / 1e6,
        "rss_parent_mb_large": large[0] / 1e6,
        "rss_parent_kb_per_utterance": (large[0] - small[0]) / 1e3 / (9 * count),
        "rss_worker_mb_small": small[1] / 1e6,
        "rss_worker_mb_large": large[1] / 1e6,
    }


def peaks(utterances: list[Utterance]) -> tuple[int, int]:
    """Return the peak bytes of this process and of the largest below it, the pages counted that they share."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as watch:
        below = watch.submit(highest_below, os.getpid(), done)
        try:
            extract(utterances, 2)
        finally:
            done.set()
        return peak_bytes("cpu"), below.result()


def highest_below(pid: int, done: threading.Event) -> int:
    highest = 0
    while not done.wait(0.05):
        for process in descendants(pid):
            with suppress(OSError, AssertionError):  # it has ended, or is ending and says no more
                highest = max(highest, peak_bytes("cpu", process))
    return highest


def measure_device(recordings: Recordings, device: str, repeats: int) -> dict[str, float]:
    """Return how many times faster than real time a device makes features, of samples and of files.

    Of samples: those of `UTTERANCES_AT_ONCE` utterances are moved there, and their features back. Of files:
    decoded by as many jobs as there are CPUs, the start-up taken off.
    """
    log_mel, jobs = LogMel().to(device), os.cpu_count() or 1
    signals = [LogMel().condition(torch.from_numpy(audio.read(path)[0])) for path in recordings.flac_16k]

    def transform() -> None:
        for block in batched(signals, UTTERANCES_AT_ONCE):
            for mel in log_mel.log_mels([signal.to(device) for signal in block]):
                mel.cpu()

    transform()
    seconds = statistics.median(timed(transform, device) for _ in range(5))
    start, long = (
        in_own_process(extract, corpus(recordings.flac_16k, times), jobs, device) for times in (1, 1 + repeats)
    )
    return {
        f"xrt_{device}_transform": recordings.seconds / seconds,
        f"xrt_{device}_decoding": repeats * recordings.seconds / (long.wall - start.wall),
        f"{device}_jobs": jobs,
    }


def print_figures(figures: dict[str, float]) -> None:
    lines = [[name, f"{value:.3g}", remark(name, value)] for name, value in figures.items()]
    print_table("Features", ("", "figure", "target"), lines)


def remark(name: str, value: float) -> str:
    if name not in TARGETS:
        return ""
    return f"at least {TARGETS[name]:g}: {'reached' if value >= TARGETS[name] else 'missed'}"


def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="AUDIO", help="Recordings or folders; synthesised if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="How much of the speech is used.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 3,
    repeats: Annotated[int, typer.Option(min=1, help="Times the speech is listed where two jobs share it.")] = 20,
    utterances: Annotated[int, typer.Option(min=1, help="The fewer of two numbers of short utterances.")] = 1000,
    device: Annotated[str, typer.Option(help="cpu, or cuda to measure a GPU instead.")] = "cpu",
) -> None:
    """Compare our features with librosa's; where the time goes, how two jobs scale, what memory they take."""
    if device != "cpu" and not torch.cuda.is_available():
        raise SqspeechError(f"--device {device}: no GPU here that torch can use; leave the option out")
    with TemporaryDirectory() as folder:
        print("writing the speech", flush=True)
        recordings = write_recordings(recorded(paths) if paths else synthesised(), Path(folder), minutes)
        print(
            f"{len(recordings.flac_16k)} recordings, {recordings.seconds / 60:.1f} min; ours beside librosa's",
            flush=True,
        )
        if device != "cpu":
            figures = in_own_process(measure_device, recordings, device, repeats)
        else:
            figures = in_own_process(measure_per_core, recordings, rounds, **ONE_THREAD)
            figures |= measure_startup(recordings.flac_16k)
            figures |= in_own_process(measure_scaling, recordings, repeats, rounds, **ONE_THREAD)
            print(f"memory: {utterances} and {10 * utterances} utterances", flush=True)
            figures |= measure_memory(recordings, utterances)
    print_figures(figures)
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
