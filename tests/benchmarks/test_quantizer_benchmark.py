"""The benchmark of the quantiser: its plain formulation is right, and its command runs at tiny sizes."""

import importlib
import json
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("quantizer")


def test_the_plain_distance_is_a_sum_over_dimensions(benchmark: ModuleType) -> None:
    case = benchmark.Case(task="train", batch=1, length=3, dim=2, codebook_size=4)
    plain = benchmark.Plain(benchmark.quantizer(case)).double().requires_grad_(False)
    z, extra = torch.randn(2, 3, 2, dtype=torch.float64)
    variance = (plain.log_variance + extra).exp()
    expected = [
        [sum((z[n, d] - plain.codebook[k, d]) ** 2 / variance[n, d] for d in range(2)) for k in range(4)]
        for n in range(3)
    ]
    torch.testing.assert_close(plain.distance(z, extra), torch.tensor(expected, dtype=torch.float64))


def test_encoding_in_slices_is_encoding_at_once(benchmark: ModuleType) -> None:
    case = benchmark.Case(task="encode", batch=1, length=7, dim=4, codebook_size=8)
    plain, (z, extra) = benchmark.Plain(benchmark.quantizer(case)), benchmark.latents(case)
    torch.testing.assert_close(benchmark.encode(plain, z, extra, 2), plain.encode(z, extra))


def test_the_plain_form_is_sliced_where_it_would_not_fit(benchmark: ModuleType) -> None:
    case = benchmark.Case(task="encode", batch=1, length=30_000, dim=64, codebook_size=512)
    part = benchmark.replace(case, length=case.slice_length())
    assert part.length < case.length
    assert part.plain_bytes() <= benchmark.PLAIN_LIMIT


def test_each_measurement_is_a_process_of_its_own(benchmark: ModuleType) -> None:
    assert benchmark.in_own_process(os.getpid) != os.getpid()
    assert benchmark.in_own_process(os.getenv, "MALLOC_TRIM_THRESHOLD_", **benchmark.TUNED_MALLOC) == str(2**33)
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_the_figures_are_written(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # New processes would take a minute; what they run is the same.
    monkeypatch.setattr(benchmark, "in_own_process", lambda function, *arguments, **_: function(*arguments))
    file = tmp_path / "figures.json"
    benchmark.main(json_file=file, batch=2, length=3, dim=4, codebook_size=8, seconds=[0.1], rounds=1, checked=20)
    figures = json.loads(file.read_text())
    assert all(figures[name] > 0 for name in ("time_ratio", "memory_ratio", "time_ratio_tuned"))
    assert figures["max_relative_difference"] < 1e-4
    assert {line["sqspeech"] for line in figures["precision"]} == {1.0}
    assert "encode 0.1 s" in capsys.readouterr().out
