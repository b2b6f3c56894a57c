"""Latents that a decoder is given at each stage, against loops over codewords and against conversion."""

import numpy as np
import pytest
import torch
from corpus import voice, write_corpus
from noise_vocoder import Noise

from sqspeech.checkpoint import TrainedModel, build_model
from sqspeech.codec import Codec, PitchRule, find_speaker
from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.evaluation.metrics import words
from sqspeech.evaluation.speech.evaluate import JudgeOptions
from sqspeech.evaluation.speech.stages import latents_of, stage_kinds
from sqspeech.evaluation.speech.table import speech_tables
from sqspeech.features import LogMel
from sqspeech.quantizers.mean import posterior_mean

SIZE = {"codebook_size": 5, "codebook_dim": 3}
QUANTIZERS = {
    "sq": {"name": "gaussian_sq", "initial_variance": 1.0, **SIZE},
    "residual": {
        "name": "residual",
        "stages": 3,
        "quantizer": {"name": "gaussian_sq", "initial_variance": 1.0, **SIZE},
    },
    "vq": {"name": "vq_ema", **SIZE},
    "vae": {"name": "gaussian_vae", "latent_dim": 3},
}
SAMPLES = voice(150.0, 0, 0.5)


def make(name: str) -> Codec:
    torch.manual_seed(0)
    values = {"encoder": {"width": 8}, "quantizer": QUANTIZERS[name], "decoder": {"width": 8, "speaker_dim": 4}}
    config = ExperimentConfig.from_dict(values, "test")
    trained = TrainedModel(
        config=config,
        speakers=["a", "b"],
        pitch={},
        model=build_model(config, 2).eval(),
        log_mel=LogMel(config.features),
        device=torch.device("cpu"),
        digest="0" * 16,
    )
    return Codec(trained)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sq", ("latents", "posterior_mean")),
        ("residual", ("latents", "posterior_mean", "stages_1", "stages_2")),
        ("vq", ("latents",)),
        ("vae", ()),
    ],
)
def test_the_stages_that_a_model_has(name, kinds):
    codec = make(name)
    assert stage_kinds(codec) == kinds
    count = len(codec.encode(SAMPLES)) if kinds else 0
    for kind in kinds:
        latents = latents_of(codec, kind, SAMPLES)
        assert latents(0, count).shape == (1, count, 3)
        torch.testing.assert_close(latents(2, 5), latents(0, count)[:, 2:5])


@pytest.mark.parametrize(("name", "stages"), [("sq", 1), ("residual", 3)])
def test_the_mean_under_the_posterior_is_a_sum_over_codewords(name, stages):
    quantizer = make(name).trained.model.quantizer
    books = [quantizer] if stages == 1 else quantizer.quantizers
    posteriors = torch.rand(4, stages * 5, generator=torch.Generator().manual_seed(0)).reshape(4, stages, 5)
    posteriors = posteriors / posteriors.sum(-1, keepdim=True)
    expected = torch.zeros(4, 3)
    for step in range(4):
        for stage in range(stages):
            for code in range(5):
                expected[step] += posteriors[step, stage, code] * books[stage].codebook[code].detach()
    with torch.inference_mode():
        torch.testing.assert_close(posterior_mean(quantizer, posteriors.flatten(1)), expected)


def test_the_first_stages_are_the_sum_of_their_codewords():
    codec = make("residual")
    codes, books = codec.encode(SAMPLES).codes, codec.trained.model.quantizer.quantizers
    for count in (1, 2):
        found = latents_of(codec, f"stages_{count}", SAMPLES)(0, len(codes))[0]
        expected = sum(books[stage].codebook[codes[:, stage]] for stage in range(count))
        torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize("name", ["sq", "residual"])
def test_decoding_the_codewords_is_converting(name):
    codec, out = make(name), np.zeros_like(SAMPLES)
    z = codec.encode(SAMPLES, matrices=["vectors"]).vectors
    codec.synthesizer.convert(
        [out],
        SAMPLES,
        [find_speaker(codec.trained, "b")],
        Noise(),
        pitch=PitchRule.parse("target"),
        latents=lambda first, last: torch.from_numpy(z)[None, first:last],
    )
    np.testing.assert_array_equal(out, codec.convert(SAMPLES, to="b", vocoder=Noise())[0])


def test_the_latents_are_the_encoders_output():
    codec = make("vq")
    latents = latents_of(codec, "latents", SAMPLES)
    model, mel = codec.trained.model, codec.trained.features(SAMPLES)
    with torch.inference_mode():
        z = model.encoder(mel[:, : model.geometry.used(mel.shape[1])])
    torch.testing.assert_close(latents(0, z.shape[1]), z, atol=1e-4, rtol=1e-4)


def test_each_number_of_stages_has_its_words_and_its_bitrate(tmp_path, monkeypatch):
    class Reader:
        name = model = "reader"

        def __init__(self, model):
            pass

        def __call__(self, speech):
            return ["sentence" for _ in speech]

    monkeypatch.setattr(words, "Recogniser", Reader)
    data = DataDir.read(write_corpus(tmp_path / "data", range(2), {"a": 210.0, "b": 120.0}))
    codec = make("residual")
    metrics, _ = evaluate(codec.trained, data, judges=JudgeOptions(judges=["words"], where_lost=True))
    found = metrics["words"]
    assert list(found)[-4:] == ["codes", "stages_1", "stages_2", "stages_3"]
    assert all(figures["word_error"] == 50 for figures in found.values())
    assert found["stages_3"] == found["codes"]
    assert found["codes"]["bitrate"] == metrics["bitrate"]
    codes = np.concatenate([codec.encode(utterance.read(16000)).codes for utterance in data])
    for count in (1, 2):
        _, counts = np.unique(codes[:, :count], axis=0, return_counts=True)
        entropy = -sum(share * np.log2(share) for share in counts / len(codes))
        assert found[f"stages_{count}"]["bitrate"] == pytest.approx(len(codes) / metrics["seconds"] * entropy)
    assert "decoded from the first 2 stages" in speech_tables(metrics)
