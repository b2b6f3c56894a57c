from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion.parallel_text import (
    AnalysedUtterance,
    ParallelScores,
    f0_distance,
    measure_parallel,
    median_f0,
    mel_distance,
)
from sqspeech.features import LogMel, LogMelConfig

CONFIG = LogMelConfig()


def pulses(f0: float, rate: int = 16000, seconds: float = 1.0) -> NDArray[np.float32]:
    samples = np.zeros(round(rate * seconds), dtype=np.float32)
    samples[(np.arange(0, seconds - 0.01, 1 / f0) * rate).astype(int)] = 0.5
    return samples


def measure(triples: list[tuple[NDArray[np.float32], ...]]) -> ParallelScores:
    return measure_parallel(tuple(AnalysedUtterance(samples, LogMel(CONFIG)) for samples in t) for t in triples)


def slow_distance(a: Tensor, b: Tensor, top_db: float) -> float:
    """The least sum of frame distances over all paths, by its definition, over the length of its path."""
    x, y = ((mel.numpy() - mel.numpy().mean()) * top_db for mel in (a, b))
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for i, j in product(range(len(x)), range(len(y))):
        before = [best[k] for k in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if k in best]
        cost, steps = min(before, key=lambda b: b[0]) if before else (0.0, 0)
        best[i, j] = cost + float(np.sqrt(np.mean((x[i] - y[j]) ** 2))), steps + 1
    cost, steps = best[len(x) - 1, len(y) - 1]
    return cost / steps


@pytest.fixture(scope="module")
def voices(speech: Path) -> list[NDArray[np.float32]]:
    """Return a woman's and a man's reading of one sentence."""
    wavs = speech / "vctk_sample/VCTK-Corpus/wav48"
    return [audio.read(wavs / spk / f"{spk}_002.wav", CONFIG.sample_rate)[0] for spk in ("p225", "p226")]


@pytest.mark.parametrize("f0", [80.0, 120.0, 210.0, 400.0])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_median_f0_of_a_pulse_train(f0: float, rate: int) -> None:
    assert f0_distance(median_f0(pulses(f0, rate), rate), f0) < 0.1


def test_median_f0_leaves_out_silence() -> None:
    samples = np.concatenate([np.zeros(32000, dtype=np.float32), pulses(150)])
    assert median_f0(samples, 16000) == pytest.approx(150, rel=0.01)


def test_silence_has_no_f0() -> None:
    assert np.isnan(median_f0(np.zeros(16000, dtype=np.float32), 16000))


@pytest.mark.parametrize(
    ("a", "b", "semitones"),
    [(220.0, 440.0, 12.0), (440.0, 220.0, 12.0), (100.0, 100.0, 0.0), (440.0, 466.1638, 1.0)],
)
def test_f0_distance_of_known_intervals(a: float, b: float, semitones: float) -> None:
    assert f0_distance(a, b) == pytest.approx(semitones, abs=1e-5)


def test_mel_distance_equals_the_slow_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(length, 7, generator=generator).cumsum(0) / 10 for length in (13, 9))
    assert mel_distance(a, b, 60.0) == pytest.approx(slow_distance(a, b, 60.0), rel=1e-5)


def test_mel_distance_ignores_level_and_tempo() -> None:
    a = torch.rand(20, 5, generator=torch.Generator().manual_seed(0))
    assert mel_distance(a, a) == 0
    assert mel_distance(a, a.repeat_interleave(2, dim=0) + 0.3) == pytest.approx(0, abs=1e-4)


def test_mel_distance_is_in_decibels() -> None:
    a = torch.zeros(4, 2)
    b = torch.tensor([[0.1, -0.1]]).repeat(4, 1)
    assert mel_distance(a, b, top_db=80.0) == pytest.approx(8.0)


def test_conversions_that_hit_and_miss(voices: list[NDArray[np.float32]]) -> None:
    source, target = voices
    apart = f0_distance(median_f0(source, 16000), median_f0(target, 16000))
    mel_apart = mel_distance(*(LogMel(CONFIG)(torch.from_numpy(voice)) for voice in voices))
    assert apart > 4
    assert mel_apart > 5

    hit = measure([(0.5 * target, source, target)])
    assert (hit.pairs, hit.unvoiced) == (1, 0)
    assert hit.f0_to_target_semitones == pytest.approx(0, abs=0.2)
    assert hit.mel_to_target_db == pytest.approx(0, abs=0.1)
    assert hit.f0_to_source_semitones == pytest.approx(apart, abs=0.2)
    assert hit.mel_to_source_db == pytest.approx(mel_apart, abs=0.1)

    both = measure([(target, source, target), (source, source, target)])
    assert both.pairs == 2
    assert both.f0_to_target_semitones == pytest.approx(apart / 2)
    assert both.f0_to_source_semitones == pytest.approx(apart / 2)
    assert both.mel_to_target_db == pytest.approx(mel_apart / 2, rel=1e-3)


def test_unvoiced_pairs_are_left_out_of_f0_and_counted() -> None:
    random = np.random.default_rng(0)
    silent = np.zeros(16000, dtype=np.float32)
    low, high = (pulses(f0) + 1e-3 * random.normal(size=16000).astype(np.float32) for f0 in (100, 200))
    scores = measure([(silent, low, high), (high, low, high)])
    assert (scores.pairs, scores.unvoiced) == (2, 1)
    assert scores.f0_to_target_semitones == 0
    assert scores.f0_to_source_semitones == pytest.approx(12, abs=0.2)
    alone = measure([(silent, low, high)])
    assert np.isnan(alone.f0_to_target_semitones)
    assert alone.mel_to_target_db > 0


def test_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="no pair"):
        measure([])
