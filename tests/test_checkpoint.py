import io
import os
import zipfile
from dataclasses import replace

import pytest
import torch

from sqspeech.checkpoint import TrainedModel, build_model, checkpoint_content, read_checkpoint, write_content
from sqspeech.config import ExperimentConfig
from sqspeech.errors import CheckpointError, DataError
from sqspeech.pitch import SpeakerPitch

CONFIG = ExperimentConfig.from_dict(
    {"encoder": {"width": 8}, "quantizer": {"codebook_size": 4, "codebook_dim": 2}, "decoder": {"width": 4}},
    "test",
)
SPEAKERS = ["p225", "p226", "p300"]
PITCH = {"p225": SpeakerPitch(log_mean=5.3, log_std=0.2), "p300": SpeakerPitch(log_mean=4.7, log_std=0.15)}
CPU = torch.device("cpu")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model(CONFIG, len(SPEAKERS))


@pytest.fixture
def path(tmp_path, model):
    write_content(tmp_path / "a.ckpt", checkpoint_content(CONFIG, SPEAKERS, PITCH, model, {"step": 7}))
    return tmp_path / "a.ckpt"


def test_one_file_brings_everything_back(path, model):
    trained = TrainedModel.load(path)
    assert (trained.config, trained.speakers, trained.pitch) == (CONFIG, SPEAKERS, PITCH)
    assert trained.log_mel.config == CONFIG.features
    assert not trained.model.training
    mel = torch.rand(1, 20, 80)
    assert torch.equal(trained.model.encode(mel), model.eval().encode(mel))
    assert read_checkpoint(path, CPU)["training"] == {"step": 7}


def test_the_digest_tells_models_apart(path, tmp_path, model):
    with torch.no_grad():
        model.quantizer.codebook.add_(1)
    write_content(tmp_path / "b.ckpt", checkpoint_content(CONFIG, SPEAKERS, PITCH, model, {"step": 7}))
    assert TrainedModel.load(path).digest != TrainedModel.load(tmp_path / "b.ckpt").digest


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_code_in_a_checkpoint_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "sqspeech-2", "config": Malicious()}, "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"evil.ckpt: damaged or no checkpoint"):
        read_checkpoint(tmp_path / "evil.ckpt", CPU)
    assert not (tmp_path / "pwned").exists()


def a_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("x", "y")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"RIFF not a checkpoint", a_zip(), b"\x80\x02."])
def test_what_is_no_checkpoint_is_named(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.ckpt: damaged or no checkpoint") as caught:
        TrainedModel.load(tmp_path / "x.ckpt")
    assert "\n" not in str(caught.value)


def test_a_truncated_checkpoint_is_named(path):
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        TrainedModel.load(path)


def test_damaged_weights_are_no_weights(path, tmp_path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 255 for byte in content[middle : middle + 64])
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.ckpt: damaged or no checkpoint"):
        TrainedModel.load(tmp_path / "x.ckpt")


def test_another_file_of_torch_is_named(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match="not a checkpoint of format sqspeech-2"):
        TrainedModel.load(tmp_path / "x.ckpt")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        TrainedModel.load(tmp_path / "x.ckpt")


def test_an_unknown_speaker_is_answered_with_the_nearest(path):
    trained = TrainedModel.load(path)
    assert trained.speaker_index("p226").tolist() == [1]
    with pytest.raises(DataError, match=r"no speaker p22; the nearest of its 3 are p22[56], p22[56]"):
        trained.speaker_index("p22")


def test_the_model_has_the_objective_of_its_configuration():
    training = replace(CONFIG.training, level_weight=0.25)
    mel, speaker = torch.rand(2, 34, CONFIG.features.n_mels), torch.tensor([0, 1])
    losses = []
    for config in (CONFIG, replace(CONFIG, training=training)):
        torch.manual_seed(0)
        losses.append(build_model(config, 2).eval()(mel, speaker).reconstruction.item())
    assert losses[1] < losses[0]
