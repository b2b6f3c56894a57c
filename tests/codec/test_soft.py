"""Soft conversion: means of codewords under the posterior are decoded, and units and what counts bits stay codes."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_vocoder import Noise
from units_models import make_model, noise

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import Codec, PitchRule, find_speaker
from sqspeech.conversion import Converter
from sqspeech.evaluation.conversion.synthesis import CONVERSION, RECONSTRUCTION, Synthesis, SynthesisRequest
from sqspeech.quantizers import GaussianSQConfig, ResidualConfig, build_quantizer

SAMPLES = noise(2.0)


def softened(trained: TrainedModel) -> TrainedModel:
    model = copy.deepcopy(trained.model)
    model.quantizer.soft = True
    return replace(trained, model=model)


@pytest.fixture(scope="module")
def hard() -> Codec:
    return Codec(make_model())


@pytest.fixture(scope="module")
def soft(hard) -> Codec:
    return Codec(softened(hard.trained))


def convert(codec: Codec, **options: object) -> np.ndarray:
    return codec.convert(SAMPLES, to="b", vocoder=Noise(), **options)[0]


def test_the_configuration_decides():
    assert build_quantizer(GaussianSQConfig(soft=True)).soft
    assert not build_quantizer(GaussianSQConfig()).soft
    assert build_quantizer(ResidualConfig(stages=2, quantizer=GaussianSQConfig(soft=True))).soft


def test_the_means_of_the_codewords_are_decoded(hard, soft):
    units, out = hard.encode(SAMPLES, matrices=["posteriors"]), np.zeros_like(SAMPLES)
    means = torch.from_numpy(units.posteriors @ hard.trained.model.quantizer.codebook.detach().numpy())[None]
    assert (means[0] - torch.from_numpy(hard.encode(SAMPLES, matrices=["vectors"]).vectors)).abs().max() > 0.01
    hard.synthesizer.convert(
        [out],
        SAMPLES,
        [find_speaker(hard.trained, "b")],
        Noise(),
        pitch=PitchRule.parse("target"),
        latents=lambda first, last: means[:, first:last],
    )
    np.testing.assert_allclose(convert(soft), out, atol=1e-5)
    assert np.abs(convert(soft) - convert(hard)).max() > 1e-3


def test_any_span_has_the_means_of_the_whole(soft):
    recording = soft.encoder.measured(SAMPLES)
    latents = soft.synthesizer.latents(recording)
    whole = latents(0, soft.encoder.count(recording))
    torch.testing.assert_close(latents(7, 40), whole[:, 7:40], atol=1e-5, rtol=1e-5)


def test_units_are_codes(hard, soft):
    np.testing.assert_array_equal(soft.encode(SAMPLES).codes, hard.encode(SAMPLES).codes)
    np.testing.assert_array_equal(convert(soft, coded=True), convert(hard))
    np.testing.assert_array_equal(convert(hard, coded=True), convert(hard))


def test_reconstructions_of_an_evaluation_are_of_the_codes(hard, soft):
    request = SynthesisRequest(samples=SAMPLES, speaker="a", target="b", kinds=(RECONSTRUCTION, CONVERSION))
    made, of_codes = (Synthesis(Converter(codec.trained, Noise()))(request).speech for codec in (soft, hard))
    np.testing.assert_array_equal(made[RECONSTRUCTION], of_codes[RECONSTRUCTION])
    assert not np.array_equal(made[CONVERSION], of_codes[CONVERSION])
