"""The vocoder as a task: its data, a stopped training, its adversarial phase, and its place in a model."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from capture_watch import Watch
from commands import run
from trained import Experiment

from sqspeech import Codec, audio, cli
from sqspeech.checkpoint import TrainedModel, read_checkpoint
from sqspeech.codec import find_speaker
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.errors import CheckpointError, ConfigError, DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.pitch import track_f0
from sqspeech.training import Trainer
from sqspeech.training.step import TrainingStep
from sqspeech.training.tasks.vocoder import VocoderTask
from sqspeech.training.vocoder.config import VocoderConfig
from sqspeech.training.vocoder.crop import Crop, blurred
from sqspeech.training.vocoder.extraction import fundamental_phase
from sqspeech.training.vocoder.losses import SpectralLosses
from sqspeech.vocoders.griffin_lim import GriffinLim

CPU = torch.device("cpu")
HOP = 160
TINY = {
    "task": "vocoder",
    "network": {"width": 8, "blocks": 1},
    "crops": {"batch_size": 2, "frames": 24},
    "training": {"steps": 6, "log_every": 2, "validate_every": 3, "checkpoint_every": 2, "gradient_clip": 5.0},
}
ADVERSARIAL = {
    "begin": 2, "periods": [2, 3], "period_channels": [4, 4], "resolutions": [256], "resolution_channels": [4, 4],
}  # fmt: skip


def fail(monkeypatch, capsys, *arguments: object) -> str:
    """The one line of a command that fails."""
    monkeypatch.setattr(sys, "argv", ["sqspeech", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    lines = [line for line in capsys.readouterr().err.splitlines() if "━" not in line]
    assert ended.value.code == 1
    assert len(lines) == 1
    return lines[0]


class Place:
    """A dump with the rows of a codec, and the configuration of a tiny vocoder."""

    def __init__(self, root: Path, experiment: Experiment) -> None:
        self.root, self.codec = root, experiment.checkpoint
        shutil.copytree(experiment.root / "dump", root / "dump")
        values = TINY | {"inputs": {"codec": str(self.codec), "decoded": 0.4, "blurred": 0.3}}
        self.config, self.adversarial = root / "v.yaml", root / "adversarial.yaml"
        self.config.write_text(yaml.safe_dump(values))
        self.adversarial.write_text(yaml.safe_dump(values | {"discriminators": ADVERSARIAL}))
        for name in ("train", "dev"):
            done = run("vocoder-data", root / "dump" / name, "--config", self.config)
            assert "0 skipped" in done

    def task(self, path: Path | None = None) -> VocoderTask:
        values = yaml.safe_load((path or self.config).read_text())
        del values["task"]
        return VocoderTask(VocoderConfig.from_dict(values, "test"))


@pytest.fixture(scope="module")
def place(tmp_path_factory, experiment) -> Place:
    return Place(tmp_path_factory.mktemp("vocoder"), experiment)


@pytest.fixture(scope="module")
def vocoder(place) -> Path:
    """The checkpoint of a trained one."""
    run("train", place.root / "dump", place.root / "exp", "--config", place.config)
    return place.root / "exp/best.ckpt"


@pytest.fixture(scope="module")
def speaking(place, vocoder) -> Path:
    """The codec with the vocoder."""
    run("attach-vocoder", place.codec, vocoder, "-o", place.root / "speaking.ckpt")
    return place.root / "speaking.ckpt"


def test_a_row_has_the_frame_s_decoded_log_mel_pitch_and_samples(place, experiment):
    train, _ = place.task().open_data(place.root / "dump")
    utterance = next(iter(train.rows.data))
    rows, mel = train.rows.read(utterance.utt_id), train.features.read(utterance.utt_id)
    samples = audio.read(utterance.path, 16000)[0]
    assert rows.shape == (len(mel), 80 + 2 + HOP)
    np.testing.assert_array_equal(rows[:, 80], track_f0(samples, 16000, HOP).astype(np.float32))
    scaled = samples * (0.999 / np.abs(samples).max())
    emphasised = np.append(scaled[0], scaled[1:] - 0.97 * scaled[:-1])
    np.testing.assert_allclose(rows[:, 82:].flatten()[: len(samples)], emphasised, atol=1e-6)
    assert not rows[:, 82:].flatten()[len(samples) :].any()


class Spy(GriffinLim):
    """Input of a vocoder."""

    def __init__(self) -> None:
        super().__init__(LogMelConfig(), 2)
        self.given: list[torch.Tensor] = []

    def __call__(self, log_mel, excitation=None):
        self.given.append(log_mel)
        return log_mel.new_zeros((len(log_mel) - 1) * HOP)


def test_the_decoded_log_mel_is_what_the_vocoder_of_a_conversion_is_given(experiment):
    codec, spy = Codec.load(experiment.checkpoint), Spy()
    short = audio.read(experiment.root / "corpus/test/f1-04.wav", 16000)[0]
    for samples, pieces in ((short, 1), (np.resize(short, 25 * 16000 + 77), 2)):
        spy.given.clear()
        codec.convert(samples, to="m1", vocoder=spy)
        mel = codec.synthesizer.log_mel(samples, find_speaker(codec.trained, "m1"))
        assert len(mel) == 1 + len(samples) // HOP
        assert len(spy.given) == pieces
        for count in (50, 1000 if pieces > 1 else len(mel)):
            np.testing.assert_allclose(mel[:count], spy.given[0][:count], atol=1e-6)
        np.testing.assert_allclose(mel[-80:], spy.given[-1][-80:], atol=1e-6)


def test_the_phase_is_that_of_the_fundamental():
    time = np.arange(16000) / 16000
    f0 = 120 + 20 * np.sin(2 * np.pi * time)
    phase = 2 * np.pi * np.cumsum(f0) / 16000 + 0.7
    samples = np.cos(phase) + 0.5 * np.cos(2 * phase + 1) + 0.3 * np.cos(3 * phase + 2)
    found = fundamental_phase(samples.astype(np.float32), f0[::HOP], 16000, HOP)
    error = np.angle(np.exp(1j * (found - phase[::HOP])))
    assert np.abs(error[2:-2]).max() < 0.1


def test_the_losses_are_zero_where_nothing_differs_and_see_a_phase():
    features = LogMelConfig()
    losses = SpectralLosses(features)
    time = torch.arange(8000) / 16000
    wanted = torch.stack([torch.cos(2 * torch.pi * 200 * time), torch.cos(2 * torch.pi * 300 * time)])
    same = losses(wanted, wanted, wanted)
    assert all(value < 0.03 for value in same.values())
    turned = losses(wanted, wanted, -wanted)
    assert turned["harmonic"] > 0.1
    assert turned["mel"] == same["mel"]


def test_the_log_mel_of_the_losses_is_the_features(experiment):
    samples = torch.from_numpy(audio.read(experiment.root / "corpus/test/f1-04.wav", 16000)[0])
    scaled = samples * (0.999 / samples.abs().max())
    emphasised = torch.cat([scaled[:1], scaled[1:] - 0.97 * scaled[:-1]])
    # Its frames begin at a hop; those of the features are centred there, and the third begins at sample 120.
    own = SpectralLosses(LogMelConfig())._log_mel(emphasised[None, 120:])[0] + 1
    wanted = LogMel(LogMelConfig())(samples)[2 : 2 + len(own)]
    audible = wanted > wanted.min() + 0.05
    assert audible.float().mean() > 0.5
    assert (own - wanted)[audible].abs().mean() < 0.01


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"inputs": {"decoded": 0.5}}, "inputs: decoded = 0.5 of the crops need a codec; name its checkpoint"),
        ({"inputs": {"codec": "x", "decoded": 0.5, "blurred": 0.6}}, "decoded 0.5 and blurred 0.6 exceed all crops"),
        ({"crops": {"frames": 16}}, "crops.frames: 16 hold no window of the losses; take 20 or more"),
        ({"crops": {"storage": "bfloat16"}}, "crops.storage: bfloat16 is too coarse for samples"),
        ({"network": {"kernel_size": 4}}, "network: kernel_size 4 must be odd"),
    ],
)
def test_a_configuration_that_cannot_be_trained_is_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        VocoderConfig.from_dict(values, "v.yaml")


def test_a_blurred_log_mel_is_the_mean_of_neighbours():
    mel = torch.rand(1, 9, 7)
    found = blurred(mel)
    torch.testing.assert_close(found[0, 4, 3], mel[0, 2:7, 2:5].mean())
    torch.testing.assert_close(found[0, 0, 0], mel[0, :3, :2].mean())


def test_the_parts_of_a_crop_come_from_the_same_place(place):
    task = place.task()
    train, _ = task.open_data(place.root / "dump")
    batches = task.batches(task.model(train), train, CPU, "device", (0, 1))
    crop = Crop.of(batches.batch(batches.key(3))[0], task.config.features, decoded=True)
    assert crop.mel.shape == crop.decoded.shape == (2, 24, 80)
    assert crop.wave.shape == (2, 23 * HOP)
    # The log-mel of the samples is the features', but for the level of the loudest frame.
    own = task.model(train).losses._log_mel(crop.wave)
    # Frames of the losses begin at hops, and are centred 200 samples later: between frames 1 and 2.
    between = (0.75 * crop.mel[:, 1:-2] + 0.25 * crop.mel[:, 2:-1])[:, : own.shape[1]]
    correlation = np.corrcoef(own.flatten(), between.flatten())[0, 1]
    assert correlation > 0.95


def trained(place: Place, exp: Path, config: Path, stops: list[int]) -> tuple[dict[str, torch.Tensor], list[dict]]:
    for steps in stops:
        task = place.task(config)
        training = replace(task.config.training, steps=steps)
        data = task.open_data(place.root / "dump")
        Trainer(replace(task.config, training=training), *data, exp, CPU).run()
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if k != "steps_per_second"} for line in lines if "loss" in line]
    return read_checkpoint(exp / "last.ckpt", CPU)["model"], kept


def test_a_stopped_training_with_two_optimizers_is_continued_to_the_same_weights(place, tmp_path):
    straight, log = trained(place, tmp_path / "straight", place.adversarial, [6])
    cut, other = trained(place, tmp_path / "cut", place.adversarial, [1, 4, 6])
    assert straight.keys() == cut.keys()
    assert all(torch.equal(straight[name], cut[name]) for name in straight)
    assert log == other
    assert "discriminators" not in log[0]
    assert {"discriminators", "adversarial", "matching"} <= log[1].keys()


@pytest.mark.parametrize("number", [1, 3])  # before and in the adversarial phase
def test_a_step_neither_waits_nor_takes_a_size_from_values(place, number):
    task = place.task(place.adversarial)
    train, _ = task.open_data(place.root / "dump")
    torch.manual_seed(0)
    model = task.model(train)
    step = TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), task.config, CPU, eager=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for earlier in range(number):
        step(earlier)
    step._prepare(number)
    with Watch() as watch:
        step._train()
    assert watch.seen > 200
    assert watch.found == []
    assert torch.tensor(list(step.statistics().values())).isfinite().all()
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"generator", "average"} | ({"discriminators"} if number == 3 else set())


def test_the_average_follows_the_weights(place):
    task = place.task()
    train, _ = task.open_data(place.root / "dump")
    torch.manual_seed(0)
    model = task.model(train)
    step = TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), task.config, CPU, eager=True)
    wanted = model.generator.last.bias.detach().double().clone()
    for number in range(3):
        step(number)
        share = min(0.998, (1 + number) / (10 + number))
        wanted = share * wanted + (1 - share) * model.generator.last.bias.detach().double()
    torch.testing.assert_close(model.average.last.bias.double(), wanted, rtol=1e-5, atol=1e-6)


def test_one_file_makes_speech(place, speaking, experiment, tmp_path):
    codec, plain = Codec.load(speaking), Codec.load(experiment.checkpoint)
    recording = next((experiment.root / "corpus/test").glob("*.wav"))
    assert codec.for_speech().name == "neural"
    assert plain.for_speech().name == "world"
    made, other = (each.convert(recording, to="f1")[0] for each in (codec, plain))
    assert not np.array_equal(made, other)
    higher = codec.convert(recording, to="f1", pitch="+12")[0]
    assert not np.array_equal(made, higher)
    # Without a pitch units are decoded by what needs none, and the units are the codec's.
    units = plain.encode(recording)
    assert codec.vocoder_for_units().name == "griffin_lim"
    np.testing.assert_array_equal(codec.decode(units, "f1")[0], plain.decode(units, "f1")[0])
    run("convert", speaking, recording, "--to", "f1", "-o", tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["vocoder"] == "neural"
    run("convert", speaking, recording, "--to", "f1", "--vocoder", "world", "-o", tmp_path / "world")
    run("convert", experiment.checkpoint, recording, "--to", "f1", "-o", tmp_path / "before")
    one, two = (next((tmp_path / name).glob("*.wav")).read_bytes() for name in ("world", "before"))
    assert one == two


def test_attaching_changes_nothing_else(place, speaking, vocoder):
    before, after = read_checkpoint(place.codec, CPU), read_checkpoint(speaking, CPU)
    assert after["ancestors"] == [before["digest"]]
    assert all(torch.equal(before["model"][name], after["model"][name]) for name in before["model"])
    assert {key for key in after if key not in before} == {"vocoder", "ancestors"}
    assert after["vocoder"]["digest"] == read_checkpoint(vocoder, CPU)["digest"]
    average = read_checkpoint(vocoder, CPU)["model"]["average.last.bias"]
    assert torch.equal(TrainedModel.load(speaking).vocoder.network.last.bias, average)


def test_a_second_run_adds_what_is_missing(place, tmp_path, capsys):
    shutil.copytree(place.root / "dump/dev", tmp_path / "dev")
    ark = (tmp_path / "dev/vocoder.ark").read_bytes()
    run("vocoder-data", tmp_path / "dev", "--config", place.config)
    assert "pitch" not in capsys.readouterr().err
    (tmp_path / "dev/vocoder.json").unlink()
    run("vocoder-data", tmp_path / "dev", "--config", place.config)
    assert (tmp_path / "dev/vocoder.ark").read_bytes() == ark


@pytest.fixture
def refused(monkeypatch, capsys):
    return lambda *arguments: fail(monkeypatch, capsys, *arguments)


def test_a_dump_without_pitch_is_refused(place, experiment, tmp_path, refused):
    error = refused("train", experiment.root / "dump", tmp_path / "exp", "--config", place.config)
    assert "has no pitch and no samples for a vocoder; run `sqspeech vocoder-data" in error
    assert str(experiment.root / "dump/train") in error


def test_rows_of_another_codec_or_other_features_are_refused(place, tmp_path, refused):
    shutil.copytree(place.root / "dump", tmp_path / "dump")
    train = ("train", tmp_path / "dump", tmp_path / "exp", "--config")
    other = place.root / "none.yaml"
    other.write_text(yaml.safe_dump(TINY))
    assert "but the configuration names None; run `sqspeech vocoder-data" in refused(*train, other)
    with (tmp_path / "dump/dev/utt2version").open("a") as file:
        file.write("x 1 2\n")
    assert "of other features or recordings than the dump now has" in refused(*train, place.config)
    (tmp_path / "dump/train/vocoder.json").write_text("{")
    assert "vocoder.json: damaged; remove it" in refused(*train, place.config)


def test_a_vocoder_of_other_features_is_refused(place, vocoder, tmp_path, refused):
    content = read_checkpoint(vocoder, CPU)
    content["config"]["features"]["sample_rate"] = 22050
    torch.save({k: v for k, v in content.items() if k != "digest"}, tmp_path / "other.ckpt")
    error = refused("attach-vocoder", place.codec, tmp_path / "other.ckpt", "-o", tmp_path / "out.ckpt")
    assert "other.ckpt: a vocoder for features.sample_rate = 22050, but" in error
    assert not (tmp_path / "out.ckpt").exists()


def test_what_is_no_vocoder_or_no_codec_is_refused(place, vocoder, tmp_path, refused):
    out = ("-o", tmp_path / "out.ckpt")
    assert "no checkpoint of the task vocoder" in refused("attach-vocoder", place.codec, place.codec, *out)
    assert "a checkpoint of the task vocoder, not of a codec" in refused("attach-vocoder", vocoder, vocoder, *out)
    with pytest.raises(CheckpointError, match="a checkpoint of the task vocoder, not of a codec"):
        TrainedModel.load(vocoder)


def test_a_model_without_a_vocoder_says_how_to_train_one(experiment, tmp_path, refused):
    recording = next((experiment.root / "corpus/test").glob("*.wav"))
    error = refused("convert", experiment.checkpoint, recording, "--to", "f1", "--vocoder", "neural", "-o", tmp_path)
    assert "neural must be trained, and this model has none; train one with `sqspeech train" in error


def test_speech_without_a_voiced_frame_is_refused(tmp_path, monkeypatch):
    # A search takes one thing or another for voice, whatever it is given.
    monkeypatch.setattr(
        "sqspeech.training.vocoder.extraction.track_f0", lambda samples, rate, hop: np.zeros(1 + len(samples) // hop)
    )
    (tmp_path / "data").mkdir()
    click = np.zeros(9600, np.float32)
    click[5000] = 0.5
    for name in ("a-0", "a-1"):
        audio.write(tmp_path / f"data/{name}.wav", click, 16000)
    (tmp_path / "data/wav.scp").write_text("".join(f"{n} {tmp_path}/data/{n}.wav\n" for n in ("a-0", "a-1")))
    (tmp_path / "data/utt2spk").write_text("a-0 a\na-1 a\n")
    extract_features(DataDir.read(tmp_path / "data"), tmp_path / "dump", ExperimentConfig().features)
    (tmp_path / "v.yaml").write_text(yaml.safe_dump(TINY))
    with pytest.raises(DataError, match="no frame of its 2 utterances is voiced; a vocoder is trained on speech"):
        run("vocoder-data", tmp_path / "dump", "--config", tmp_path / "v.yaml")
