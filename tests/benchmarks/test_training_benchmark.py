"""The training benchmarks: both sides learn the same, their arithmetic is right, their commands run and go on."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from corpus import CONFIG, voice, write_corpus
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from sqspeech.checkpoint import build_model
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError, SqspeechError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CONFIGURATION = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
CPU = torch.device("cpu")
PARTS = ("data", "encoder", "quantizer", "decoder", "backward", "clip", "optimizer")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = ("plain_training", "training", "training_quality")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


@pytest.fixture
def benchmark(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark of the speed, in this process: new ones would take a minute, and what they run is the same."""
    in_this_process(modules.training, modules, monkeypatch)
    monkeypatch.setattr(modules.training, "of_width", lambda _: CONFIGURATION)
    return modules.training


@pytest.fixture
def quality(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    in_this_process(modules.training_quality, modules, monkeypatch)
    monkeypatch.setattr(modules.training_quality, "ExperimentConfig", partial(replace, CONFIGURATION))
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [switch.fp32_precision for switch in switches]
    yield modules.training_quality
    for switch, precision in zip(switches, before, strict=True):
        switch.fp32_precision = precision


def in_this_process(module: ModuleType, modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "in_own_process", lambda function, *arguments, **_: function(*arguments))
    monkeypatch.setattr(module, "PlainTraining", partial(modules.plain_training.PlainTraining, workers=0))


@pytest.fixture
def files(modules: SimpleNamespace, tmp_path: Path) -> list[object]:
    return modules.training.write_features([voice(120.0, sentence) for sentence in range(5)], tmp_path)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_both_sides_have_the_same_loss_and_gradients(
    modules: SimpleNamespace, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, length = 3, 16
    gumbel = -torch.empty(batch, length // 2, 8).exponential_().log()

    def ours(logits: torch.Tensor, temperature: float, codebook: torch.Tensor) -> torch.Tensor:
        return torch.softmax((logits + gumbel) / temperature, -1) @ codebook

    def plain(logits: torch.Tensor, tau: float) -> torch.Tensor:
        return torch.softmax((logits + gumbel.flatten(0, 1)) / tau, -1)

    config = replace(CONFIGURATION, decoder=replace(CONFIGURATION.decoder, jitter=0.0))
    sides = build_model(config, 2), modules.plain_training.PlainSQVAE(config, 2)
    sides[1].load_state_dict(sides[0].state_dict())
    monkeypatch.setattr("sqspeech.quantizers.gaussian_sq.sample", ours)
    monkeypatch.setattr(functional, "gumbel_softmax", plain)
    mel, speaker = torch.rand(batch, length + 2, 80), torch.tensor([0, 1, 1])
    output, values = sides[0](mel, speaker, temperature), sides[1](mel, speaker, temperature)
    statistics = {"loss": output.loss, "reconstruction": output.reconstruction, "mse": output.mse}
    statistics |= {
        "kl": output.quantized.statistics["kl"],
        "perplexity": output.quantized.statistics["batch_perplexity"],
    }
    torch.testing.assert_close(values, statistics, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(loss, list(side.parameters())) for loss, side in
                 zip((output.loss, values["loss"]), sides, strict=True)]  # fmt: skip
    # Their order differs with the order of the modules.
    named = [dict(zip(dict(side.named_parameters()), grads, strict=True)) for side, grads in
             zip(sides, gradients, strict=True)]  # fmt: skip
    torch.testing.assert_close(named[1], named[0], rtol=1e-3, atol=1e-3)


def test_both_sides_begin_with_the_same_weights(modules: SimpleNamespace, files: list[object]) -> None:
    ours = modules.training.our_step(CONFIGURATION, files, 3, CPU, eager=True).model
    plain = modules.plain_training.PlainTraining(CONFIGURATION, files, 3, CPU, workers=0).model
    torch.testing.assert_close(plain.state_dict(), dict(ours.state_dict()), rtol=0, atol=0)


def test_a_plain_crop_is_part_of_its_file(modules: SimpleNamespace, files: list[object]) -> None:
    crops = modules.plain_training.RandomCrops(files, 18)
    assert len(crops) == len(files)
    starts = set()
    for _ in range(40):
        crop, speaker = crops[3]
        windows = np.lib.stride_tricks.sliding_window_view(np.load(files[3].path), 18, axis=0).swapaxes(1, 2)
        (start,) = np.flatnonzero((windows == crop.numpy()).all((1, 2)))
        starts.add(start)
        assert speaker == files[3].speaker
    assert len(starts) > 10


def test_the_plain_loop_learns(modules: SimpleNamespace, files: list[object]) -> None:
    step = modules.plain_training.PlainTraining(CONFIGURATION, files, 5, CPU, workers=0)
    losses = [step(number)["loss"] for number in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_another_quantiser_is_refused(modules: SimpleNamespace) -> None:
    config = replace(CONFIGURATION, quantizer=replace(CONFIGURATION.quantizer, variance="II"))
    with pytest.raises(ValueError, match="variance IV only"):
        modules.plain_training.PlainSQVAE(config, 2)


def test_the_operations_of_the_products_are_counted(modules: SimpleNamespace) -> None:
    batch, frames = CONFIGURATION.crops.batch_size, CONFIGURATION.crops.frames
    model = build_model(CONFIGURATION, 2)
    mel = torch.rand(batch, frames + 2, 80, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        model(mel, torch.zeros(batch, dtype=torch.long)).loss.backward()
    assert sum(modules.training.flops(CONFIGURATION).values()) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_a_step_is_broken_down(benchmark: ModuleType, files: list[object]) -> None:
    turn = benchmark.Turn(files=files, config=CONFIGURATION, device="cpu", side="eager", steps=1)
    found = benchmark.break_down(turn, 2)
    assert set(found) == {f"part_{name}_ms" for name in (*PARTS, "other")}
    assert min(found.values()) > 0


def test_the_long_run_is_scaled_to_the_whole(
    benchmark: ModuleType, files: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 103.6])
    monkeypatch.setattr(benchmark, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    turn = benchmark.Turn(files=files, config=CONFIGURATION, device="cpu", side="ours", steps=5)
    assert benchmark.measure_long(turn)["hours_whole"] == pytest.approx(3.6 / 5 * 500_000 / 3600)


def test_the_figures_of_the_speed_are_written(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings, file = write_corpus(tmp_path / "corpus", range(1)), tmp_path / "figures.json"
    benchmark.main([recordings], json_file=file, steps=1, rounds=1, widths=[768, 256])
    figures = json.loads(file.read_text())
    for name in ("width_768", "width_256", "width_768_tuned", "width_256_tuned"):
        ours, plain = (figures[f"steps_per_second_{side}_{name}"] for side in ("ours", "plain"))
        assert figures[f"ratio_{name}"] == pytest.approx(ours / plain)
    assert "ratio_width_768" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_named(modules: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SqspeechError, match="cuda: no GPU"):
        modules.training.main([], device="cuda")
    with pytest.raises(SqspeechError, match="cuda: no GPU"):
        modules.training_quality.main([], Path("exp"), device="cuda")


def utterances(folder: Path, counts: dict[str, int], frames: int = 20) -> tuple[list[Utterance], list[Path]]:
    """Features of so many utterances of each speaker, in the order of their names."""
    names = [(speaker, f"{speaker}-{number:02}") for speaker in sorted(counts) for number in range(counts[speaker])]
    paths = [folder / f"{name}.npy" for _, name in names]
    for path in paths:
        np.save(path, np.zeros((frames, 80), np.float32))
    return [Utterance(utt_id=name, spk_id=speaker, path=Path("x.wav")) for speaker, name in names], paths


def test_the_last_tenth_of_each_speaker_is_held_out(modules: SimpleNamespace, tmp_path: Path) -> None:
    corpus = modules.training_quality.split(*utterances(tmp_path, {"a": 30, "b": 2, "c": 1}), 18)
    assert [(file.path.stem, file.speaker) for file in corpus.dev] == [
        ("a-27", 0), ("a-28", 0), ("a-29", 0), ("b-01", 1),
    ]  # fmt: skip
    assert len(corpus.train) == 27 + 1 + 1
    assert corpus.n_speakers == 3
    assert not {file.path for file in corpus.train} & {file.path for file in corpus.dev}


def test_what_cannot_be_split_is_refused(modules: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no speaker has two utterances of 18 frames"):
        modules.training_quality.split(*utterances(tmp_path, {"a": 5}, frames=17), 18)


def test_a_recording_without_a_speaker_is_its_folders(modules: SimpleNamespace) -> None:
    alone = Utterance(utt_id="p225-p225_001", spk_id="p225-p225_001", path=Path("wav48/p225/p225_001.wav"))
    assert modules.training_quality.speaker_of(alone) == "wav48/p225"
    assert modules.training_quality.speaker_of(replace(alone, spk_id="p225")) == "p225"


def test_the_difference_is_in_pooled_standard_deviations(modules: SimpleNamespace) -> None:
    found = modules.training_quality.summarise({"ours": [9.0, 11.0], "plain": [10.0, 16.0]})
    assert found["mse_db2_ours"] == 10
    assert found["sd_db2_plain"] == pytest.approx(18**0.5)
    assert found["difference_in_sd"] == pytest.approx(-3 / ((2 + 18) / 2) ** 0.5)


def test_a_stopped_comparison_goes_on(
    quality: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings, file = write_corpus(tmp_path / "corpus", range(2)), tmp_path / "figures.json"
    call = partial(quality.main, [recordings], tmp_path / "exp", json_file=file, steps=10, seeds=2, width=4)
    train, trained = quality.errors, []

    def stopped(side: str, config: ExperimentConfig, *arguments: object) -> list[float]:
        trained.append((side, config.training.seed))
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(side, config, *arguments)

    monkeypatch.setattr(quality, "errors", stopped)
    with pytest.raises(KeyboardInterrupt):
        call()
    call()
    # The third, which was stopped, is the only one that runs again.
    assert trained == [("ours", 0), ("plain", 0), ("ours", 1), ("ours", 1), ("plain", 1)]
    figures = json.loads(file.read_text())
    assert all(len(errors) == 3 for errors in figures["runs"].values())
    means = [np.mean(figures["runs"][f"ours-{seed}"]) for seed in range(2)]
    assert figures["mse_db2_ours"] == pytest.approx(np.mean(means))
    assert figures["sd_db2_ours"] == pytest.approx(np.std(means, ddof=1))
    assert "ours − plain" in capsys.readouterr().out
    with pytest.raises(SqspeechError, match="give another --folder"):
        quality.main([recordings], tmp_path / "exp", steps=11, seeds=2, width=4)


def test_the_error_is_that_of_the_trained_weights(quality: ModuleType, tmp_path: Path) -> None:
    corpus = quality.split(*utterances(tmp_path, {"a": 2}), 18)
    model = build_model(CONFIGURATION, 1).eval()
    torch.manual_seed(3)
    draws = torch.random.get_rng_state()
    found = quality.error(model.state_dict(), CONFIGURATION, corpus, CPU)
    assert torch.equal(torch.random.get_rng_state(), draws)
    with torch.no_grad():
        expected = model.decoder(model.quantize(torch.zeros(1, 20, 80)).z, torch.tensor([0])).square().mean() * 80**2
    assert found == pytest.approx(expected.item())
