"""A vocoder in the checkpoint of a codec: one file that makes speech."""

import json

import numpy as np
import pytest
import torch
from commands import run
from vocoder_place import CPU

from sqspeech import Codec
from sqspeech.checkpoint import TrainedModel, read_checkpoint
from sqspeech.errors import CheckpointError


def test_one_file_makes_speech(place, speaking, experiment, tmp_path):
    codec, plain = Codec.load(speaking), Codec.load(experiment.checkpoint)
    recording = next((experiment.root / "corpus/test").glob("*.wav"))
    assert codec.vocoders.for_speech().name == "neural"
    assert plain.vocoders.for_speech().name == "world"
    made, other = (each.convert(recording, to="f1")[0] for each in (codec, plain))
    assert not np.array_equal(made, other)
    higher = codec.convert(recording, to="f1", pitch="+12")[0]
    assert not np.array_equal(made, higher)
    # Without a pitch units are decoded by what needs none, and the units are the codec's.
    units = plain.encode(recording)
    assert codec.vocoders.for_units().name == "griffin_lim"
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
