"""Log-mel features: ours beside librosa's per core, where the time goes, how two processes scale, what memory it takes.

`python benchmarks/features.py AUDIO... --json FILE` prints the table and writes the figures. The speech is written anew
as 16-bit FLAC at 16 kHz, and as FLAC and WAV at 48 kHz; without AUDIO it is synthesised. What is compared takes turns
in one process, on one thread, and its time is the CPU's. Of several turns the best counts: what else runs on the
machine only ever adds to one.
"""

import json
import os
import resource
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import batched
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import librosa
import numpy as np
import torch
import typer
from measuring import cpu_seconds, describe_machine, in_own_process, peak_bytes, print_table, timed
from speech import RATE, Recordings, Samples, corpus, recorded, short_corpus, synthesised, write_recordings

from data_prep.command import run
from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_extraction import UTTERANCES_AT_ONCE, extract_features
from sqspeech.errors import SqspeechError
from sqspeech.features import LogMel, LogMelConfig

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TARGETS = {"ratio_per_core": 1.6, "scaling_2_jobs": 1.7}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What `extract_features` took: seconds on the clock and of the CPU, and the bytes of a process at its peak.

    A worker's peak is the largest of them or, if that is more, what the parent held when it started them.
    """

    wall: float
    cpu_parent: float
    cpu_workers: float
    rss_parent: int
    rss_worker: int


def librosa_log_mel(samples: Samples) -> Samples:
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


def librosa_features(path: Path) -> Samples:
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
    """Extract the features of the utterances, all of which must have some, into a folder that is then removed."""
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        done, failures = extract_features(
            DataDir(tuple(utterances)), Path(folder, "dump"), LogMelConfig(), jobs=jobs, device=torch.device(device)
        )
        wall = time.perf_counter() - start
    if done < len(utterances):
        raise SqspeechError(f"{len(utterances) - done} utterances have no features: {failures.reasons}")
    parent, workers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(
        wall=wall,
        cpu_parent=parent.ru_utime + parent.ru_stime,
        cpu_workers=workers.ru_utime + workers.ru_stime,
        rss_parent=peak_bytes("cpu"),
        rss_worker=1024 * workers.ru_maxrss,
    )


def measure_scaling(recordings: Recordings, repeats: int, rounds: int) -> dict[str, float]:
    """Return what two jobs bring, the start-up taken off, and what two processes that share nothing would.

    The start-up is the time of a corpus of four utterances.
    """
    corpora = {"long": corpus(recordings.flac_16k, repeats), "start": corpus(recordings.flac_16k[:1], 4)}
    runs: dict[tuple[str, int], list[Run]] = {(name, jobs): [] for name in corpora for jobs in (1, 2)}
    apart: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        print(f"two jobs beside one, round {number + 1} of {rounds}", flush=True)
        for name, jobs in runs:
            runs[name, jobs].append(in_own_process(extract, corpora[name], jobs, **ONE_THREAD))
        for processes, seconds in apart.items():
            half = (processes, recordings.flac_16k, max(1, repeats // 2))
            seconds.append(in_own_process(seconds_at_once, *half, **ONE_THREAD))
    start, long = ({jobs: least(runs[name, jobs]) for jobs in (1, 2)} for name in ("start", "long"))
    steady = {jobs: long[jobs].wall - start[jobs].wall for jobs in (1, 2)}
    parent, workers = long[2].cpu_parent - start[2].cpu_parent, long[2].cpu_workers - start[2].cpu_workers
    scaling, ceiling = steady[1] / steady[2], 2 * min(apart[1]) / min(apart[2])
    seconds_read = repeats * recordings.seconds - 4 * audio.probe(recordings.flac_16k[0]).seconds
    return {
        "scaling_2_jobs": scaling,
        "scaling_ceiling": ceiling,
        "scaling_to_ceiling": scaling / ceiling,
        "scaling_with_startup": long[1].wall / long[2].wall,
        "startup_1_job_s": start[1].wall,
        "startup_ratio": start[2].wall / start[1].wall,
        "parent_cpu_share": parent / (parent + workers),
        "xrt_1_job": seconds_read / steady[1],
        "xrt_2_jobs": seconds_read / steady[2],
    }


def least(runs: Sequence[Run]) -> Run:
    """Return the least of each figure."""
    return Run(**{field: min(asdict(run)[field] for run in runs) for field in asdict(runs[0])})


def seconds_at_once(count: int, paths: Sequence[Path], repeats: int) -> float:
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        return max(pool.map(seconds_alone, [paths] * count, [repeats] * count))


def seconds_alone(paths: Sequence[Path], repeats: int) -> float:
    log_mel = LogMel()
    our_features(log_mel, paths[0])
    start = time.perf_counter()
    for path in list(paths) * repeats:
        our_features(log_mel, path)
    return time.perf_counter() - start


def measure_memory(recordings: Recordings, count: int) -> dict[str, float]:
    """Return the peak memory for `count` short utterances and for ten times as many, with two jobs."""
    small, large = (
        in_own_process(extract, short_corpus(recordings.flac_16k, n), 2, **ONE_THREAD) for n in (count, 10 * count)
    )
    return {
        "rss_parent_mb_small": small.rss_parent / 1e6,
        "rss_parent_mb_large": large.rss_parent / 1e6,
        "rss_parent_kb_per_utterance": (large.rss_parent - small.rss_parent) / 1e3 / (9 * count),
        "rss_worker_mb_small": small.rss_worker / 1e6,
        "rss_worker_mb_large": large.rss_worker / 1e6,
    }


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
    device: Annotated[str, typer.Option(help="`cuda` measures a GPU too.")] = "cpu",
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
        figures = in_own_process(measure_per_core, recordings, rounds, **ONE_THREAD)
        figures |= measure_scaling(recordings, repeats, rounds)
        print(f"memory: {utterances} and {10 * utterances} utterances", flush=True)
        figures |= measure_memory(recordings, utterances)
        if device != "cpu":
            figures |= in_own_process(measure_device, recordings, device, repeats)
    print_figures(figures)
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
