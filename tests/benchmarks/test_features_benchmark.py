"""The benchmark of the features: both sides make the same, its arithmetic is right, and its command runs."""

import importlib
import json
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from corpus import voice

from sqspeech import audio
from sqspeech.errors import SqspeechError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("features")


@pytest.fixture
def spoken(benchmark: ModuleType, tmp_path: Path) -> object:
    """Three recordings, 2.7 s in all."""
    parts = iter([voice(120.0, sentence, seconds=0.9) for sentence in range(9)])
    return benchmark.write_recordings(parts, tmp_path, 2.5 / 60)


def test_the_same_speech_is_written_in_every_kind(benchmark: ModuleType, tmp_path: Path) -> None:
    short, first, second = voice(120.0, 0, seconds=0.5), voice(120.0, 1, seconds=1.5), voice(120.0, 2, seconds=1.5)
    found = benchmark.write_recordings(iter([short, first, second]), tmp_path, 1.5 / 60)
    assert found.seconds == 1.5
    for paths, rate in ((found.flac_16k, 16000), (found.flac_48k, 48000), (found.wav_48k, 48000)):
        (path,) = paths
        assert (audio.probe(path).sample_rate, audio.probe(path).seconds) == (rate, 1.5)
        written, _ = audio.read(path, 16000)
        # Most of what 48 kHz loses lies at the band's edge.
        assert np.corrcoef(written, first)[0, 1] > 0.999


def test_speech_is_synthesised(benchmark: ModuleType) -> None:
    samples = next(benchmark.synthesised())
    assert len(samples) > benchmark.RATE
    assert 0.01 < np.abs(samples).max() <= 1


def test_both_sides_make_the_same_features_of_real_speech(benchmark: ModuleType, speech: Path, tmp_path: Path) -> None:
    recordings = benchmark.write_recordings(benchmark.recorded([speech / "librispeech28"]), tmp_path, 0.2)
    figures = benchmark.measure_per_core(recordings, rounds=1)
    assert figures["max_difference"] < 1e-4
    for kind in ("48k", "48k_wav"):
        parts = [figures[f"share_{part}_{kind}"] for part in ("decode", "resample", "transform")]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(1)


def test_short_utterances_lie_inside_their_recordings(benchmark: ModuleType, spoken: object) -> None:
    utterances = benchmark.short_corpus(spoken.flac_16k, 50)
    assert len({utterance.utt_id for utterance in utterances}) == 50
    assert {len(utterance.read(16000)) for utterance in utterances} == {8000}


def test_turns_alternate_and_the_least_counts(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = iter([0, 5, 10, 11, 20, 22, 30, 34]), []
    monkeypatch.setattr("measuring.time.process_time", lambda: next(clock))
    costs = benchmark.cpu_seconds(2, {"a": (calls.append, "xy"), "b": (calls.append, "z")})
    assert "".join(calls) == "xyzxyz"
    assert costs == {"a": 2, "b": 1}


def test_scaling_leaves_out_the_start(benchmark: ModuleType, spoken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(utterances: list[object], jobs: int) -> object:
        return benchmark.Run(wall=7 * jobs + len(utterances) / {1: 10, 2: 16}[jobs], cpu=0.1)

    monkeypatch.setattr(benchmark, "extract", extract)
    monkeypatch.setattr(benchmark, "seconds_at_once", lambda count, *_: {1: 10, 2: 11}[count])
    figures = benchmark.measure_scaling(spoken, repeats=5, rounds=1)
    assert figures["scaling_2_jobs"] == pytest.approx(1.6)
    assert figures["scaling_ceiling"] == pytest.approx(20 / 11)
    # 15 utterances less the start's 4, 0.9 s each, 10 of them a second.
    assert figures["xrt_1_job"] == pytest.approx(9)


def test_descendants_are_found_at_any_depth(benchmark: ModuleType) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", "sh -c 'cat; true'; true"], stdin=pipe, stdout=pipe, bufsize=0) as shell:
        shell.stdin.write(b"once this comes back, all are running\n")
        shell.stdout.readline()
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in benchmark.descendants(shell.pid)]
        shell.stdin.close()
    assert names == ["sh", "cat"]
    assert benchmark.descendants(shell.pid) == []


@pytest.fixture
def in_this_process(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes would take a minute; what they run is the same."""
    monkeypatch.setattr(benchmark, "in_own_process", lambda function, *arguments, **_: function(*arguments))


@pytest.mark.usefixtures("in_this_process")
def test_a_device_is_measured(benchmark: ModuleType, spoken: object) -> None:
    figures = benchmark.measure_device(spoken, "cpu", repeats=1)
    assert figures["xrt_cpu_transform"] > 0
    assert figures["cpu_jobs"] >= 1


def test_a_gpu_that_is_not_there_is_named(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SqspeechError, match="cuda: no GPU"):
        benchmark.main(device="cuda")


@pytest.mark.usefixtures("in_this_process")
def test_the_figures_are_written(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "synthesised", lambda: iter([voice(120.0, 0, 1.5)] * 2))
    file = tmp_path / "figures.json"
    benchmark.main(json_file=file, minutes=0.05, rounds=1, repeats=4, utterances=10)
    figures = json.loads(file.read_text())
    assert figures["max_difference"] < 1e-4
    assert figures["ratio_per_core"] > 0
    assert figures["rss_parent_mb_large"] >= figures["rss_parent_mb_small"] > 100
    assert figures["rss_worker_mb_small"] > 100
    assert "scaling_2_jobs" in capsys.readouterr().out
