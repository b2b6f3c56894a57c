import numpy as np
import pytest
import soundfile
import torch
from commands import run
from corpus import voice

from sqspeech.checkpoint import TrainedModel, read_checkpoint
from sqspeech.conversion.enrolment import EMBEDDINGS, enroll, fit_embedding
from sqspeech.errors import DataError

CPU = torch.device("cpu")


def speech(f0: float, sentences: range = range(8)) -> list[np.ndarray]:
    return [voice(f0, sentence) for sentence in sentences]


def error(trained: TrainedModel, recordings: list[np.ndarray], embedding: torch.Tensor) -> float:
    """Mean squared error over recordings decoded with an embedding (1, S)."""
    with torch.inference_mode():
        mels = [trained.features(samples) for samples in recordings]
        decoder, target = trained.model.decoder, trained.model.geometry.target
        errors = [decoder.decode(trained.model.quantize(mel).z, embedding) - target(mel) for mel in mels]
    return float(torch.cat(errors, dim=1).square().mean())


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@torch.inference_mode()
def features(trained, recordings):
    return [trained.features(samples) for samples in recordings]


def test_the_fitted_embedding_beats_every_known_one_on_other_speech(trained, monkeypatch):
    monkeypatch.setattr("sqspeech.conversion.enrolment.STEPS", 40)
    embedding = fit_embedding(trained, features(trained, speech(160.0)))
    held_out = speech(160.0, range(8, 12))
    known = [error(trained, held_out, row.unsqueeze(0)) for row in trained.model.decoder.speakers.weight]
    assert error(trained, held_out, embedding) < min(known)


def test_it_gets_through_where_the_recurrent_network_has_a_backward_pass_in_training_mode_alone(trained, monkeypatch):
    forward, draws = torch.nn.GRU.forward, []

    def as_cudnn(gru, inputs, *state):
        assert gru.training or not (torch.is_grad_enabled() and inputs.requires_grad)
        assert torch.backends.cudnn.rnn.fp32_precision == "ieee"
        return forward(gru, inputs, *state)

    monkeypatch.setattr("sqspeech.conversion.enrolment.STEPS", 5)
    randint = torch.randint
    monkeypatch.setattr(torch, "randint", lambda *args, **more: (draws.append(args), randint(*args, **more))[1])
    monkeypatch.setattr(torch.nn.GRU, "forward", as_cudnn)
    embedding = fit_embedding(trained, features(trained, speech(160.0)))
    assert embedding.isfinite().all()
    assert len(draws) == 1  # a draw a step would be a wait a step
    assert not any(module.training for module in trained.model.modules())


def test_nothing_but_the_new_speaker_changes(trained, experiment, monkeypatch):
    monkeypatch.setattr("sqspeech.conversion.enrolment.STEPS", 5)
    content = read_checkpoint(experiment.checkpoint, CPU)
    found = enroll(trained, content, speech(160.0), "me")
    assert found["speakers"] == [*content["speakers"], "me"]
    assert found["model"].keys() == content["model"].keys()
    for name, value in content["model"].items():
        assert torch.equal(found["model"][name][: len(value)] if name == EMBEDDINGS else found["model"][name], value)
    assert found["model"][EMBEDDINGS].shape[0] == len(content["speakers"]) + 1
    assert {name: found["pitch"][name] for name in content["pitch"]} == content["pitch"]
    assert np.exp(found["pitch"]["me"][0]) == pytest.approx(160, rel=0.03)
    mels = torch.cat([trained.features(samples)[0] for samples in speech(160.0)])
    assert found["bands"] == content["bands"] | {"me": pytest.approx(mels.double().mean(0).tolist())}


@pytest.mark.parametrize("name", ["", "a b", "f1:1", "a,b", "all", "source"])
def test_a_name_that_commands_could_not_take_is_refused(trained, name):
    with pytest.raises(DataError, match="a name has no white space, comma or colon"):
        enroll(trained, {}, speech(160.0), name)


def test_a_name_that_is_taken_and_too_little_speech_are_refused(trained):
    with pytest.raises(DataError, match="has a speaker of this name"):
        enroll(trained, {}, speech(160.0), "f1")
    with pytest.raises(DataError, match=r"me: 0.8 s of speech; record 5 s or more"):
        enroll(trained, {}, speech(160.0, range(1)), "me")


def test_the_command_writes_a_checkpoint_that_converts(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("sqspeech.conversion.enrolment.STEPS", 5)
    for number, samples in enumerate(speech(160.0)):
        soundfile.write(tmp_path / f"{number}.wav", samples, 16000)
    run("enroll", experiment.checkpoint, tmp_path / "?.wav", "--name", "me", "-o", tmp_path / "me.ckpt")
    assert run("speakers", tmp_path / "me.ckpt").split()[-1] == "me"
    run("convert", tmp_path / "me.ckpt", tmp_path / "0.wav", "--to", "me", "--to", "me:1,f1:1", "-o", tmp_path / "out")
    assert (tmp_path / "out/0-to-me.wav").exists()
