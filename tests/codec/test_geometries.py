"""Encoders of other strides and contexts, registered here, from training to speech with no other line changed."""

import json
from collections.abc import Iterator
from typing import Literal

import numpy as np
import onnxruntime
import pytest
import torch
from corpus import voice, write_corpus
from noise_vocoder import Noise
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import Codec
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.models.base import ENCODERS
from sqspeech.models.encoder import ConvolutionalEncoder, convolution
from sqspeech.models.geometry import Geometry
from sqspeech.training import Trainer
from sqspeech.units.export import build


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class StridedConfig:
    name: Literal["strided"] = "strided"
    first: int = 1
    strides: tuple[int, ...] = (2, 2)
    normalize: bool = False
    width: int = Field(default=12, ge=1)


class Strided(ConvolutionalEncoder):
    """A convolution that is not padded, and one of twice its stride for each of the strides."""

    def __init__(self, config: StridedConfig, n_mels: int, output_dim: int) -> None:
        layers = convolution(n_mels, config.width, kernel_size=config.first)
        for stride in config.strides:
            layers += convolution(config.width, config.width, 2 * stride, stride, stride // 2)
        super().__init__(nn.Sequential(*layers, nn.Conv1d(config.width, output_dim, 1)), normalize=config.normalize)


GEOMETRIES = {
    "stride 4, no context": ({"strides": [2, 2]}, Geometry(stride=4, left=0, right=0)),
    "stride 4, context": ({"strides": [2, 2], "first": 5, "normalize": True}, Geometry(stride=4, left=2, right=2)),
    "stride 1": ({"strides": [], "first": 3}, Geometry(stride=1, left=1, right=1)),
}


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    ENCODERS.register("strided", config=StridedConfig)(Strided)
    yield
    del ENCODERS._classes["strided"], ENCODERS._configs["strided"]


@pytest.fixture(scope="module", params=GEOMETRIES)
def trained(request, tmp_path_factory) -> TrainedModel:
    root = tmp_path_factory.mktemp("geometry")
    settings, expected = GEOMETRIES[request.param]
    document = {
        "encoder": {"name": "strided", **settings},
        "quantizer": {"codebook_size": 8, "codebook_dim": 4},
        "decoder": {"width": 8, "speaker_dim": 4},
        "crops": {"batch_size": 4, "frames": 16},
        "training": {"steps": 4, "log_every": 2, "validate_every": 2},
    }
    config = ExperimentConfig.from_dict(document, "test")
    assert ExperimentConfig.from_dict(json.loads(json.dumps(config.to_dict())), "test") == config
    for name, sentences in (("train", range(2)), ("dev", range(2, 3))):
        write_corpus(root / name, sentences)
        extract_features(DataDir.read(root / name), root / "dump" / name, config.features)
    stores = (FeatureStore.open(root / "dump" / name, config.features) for name in ("train", "dev"))
    Trainer(config, *stores, root / "exp", torch.device("cpu")).run()
    found = TrainedModel.load(root / "exp/best.ckpt")
    assert found.model.geometry == expected
    return found


def test_it_encodes_as_its_model_does_on_the_whole(trained):
    samples, geometry = voice(150.0, 0), trained.model.geometry
    units = Codec(trained).encode(samples)
    mel = trained.features(samples)
    assert len(units) == geometry.units(1 + len(samples) // 160) == geometry.units(mel.shape[1])
    with torch.inference_mode():
        np.testing.assert_array_equal(units.codes, trained.model.encode(mel)[0])
    assert units.info.frame_rate == 100 / geometry.stride
    # The centre of the frames that the first unit describes.
    assert units.times()[0] == pytest.approx(0.01 * (geometry.left + (geometry.stride - 1) / 2))


def test_a_stream_has_the_units_of_the_whole(trained):
    codec, samples = Codec(trained), voice(150.0, 0)
    stream = codec.stream(codec.level(samples))
    found = [
        units.codes for start in range(0, len(samples), 700) for units in stream.push(samples[start : start + 700])
    ]
    found += [units.codes for units in stream.close()]
    np.testing.assert_array_equal(np.concatenate(found), codec.encode(samples).codes)


def test_decoding_its_units_is_converting(trained):
    codec, samples = Codec(trained), voice(150.0, 0)
    decoded, _ = codec.decode(codec.encode(samples), "f1", vocoder=Noise())
    np.testing.assert_array_equal(decoded, codec.convert(samples, to="f1", vocoder=Noise())[0])
    assert len(decoded) == len(samples)


def test_a_recording_of_another_length_is_decoded_frame_by_frame(trained):
    codec = Codec(trained)
    for length in range(12800, 13440, 160):
        codec.decode(codec.encode(voice(150.0, 0, 1.0)[:length]), "f1", vocoder=Noise())


def test_its_onnx_graph_gives_its_codes(trained):
    samples = voice(150.0, 0)
    session = onnxruntime.InferenceSession(build(trained).SerializeToString())
    (codes,) = session.run(["codes"], {"samples": samples})
    np.testing.assert_array_equal(codes, Codec(trained).encode(samples).codes)


def test_it_is_evaluated(trained, tmp_path):
    data = DataDir.read(write_corpus(tmp_path / "data", range(3, 4)))
    metrics, failures = evaluate(trained, data)
    assert not failures.reasons
    assert metrics["utterances"] == 4
    assert metrics["mse_db2"] > 0
