"""Units against the model on the whole recording, and against their own times."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from units_models import QUANTIZERS, make_model, noise

from sqspeech import audio, chunked_log_mel
from sqspeech.codec import Codec
from sqspeech.codec import encoder as module
from sqspeech.errors import ConfigError, DataError
from sqspeech.models.windows import ConvolutionWindows
from sqspeech.units import MATRICES, UnitExtractor


def plain(extractor: UnitExtractor, samples: np.ndarray) -> np.ndarray:
    """The codes of the whole recording in double precision, written as the definition has it."""
    trained = extractor.trained
    log_mel = type(trained.log_mel)(trained.config.features).double()
    mel = log_mel(torch.from_numpy(samples).double())
    even = mel[: len(mel) // 2 * 2]
    encoder = copy.deepcopy(trained.model.encoder).double()
    with torch.no_grad():
        z, extra = encoder(even[None]).tensor_split([trained.model.quantizer.dim], -1)
        return trained.model.quantizer.scores(z, extra)[0].argmax(-1).numpy()


@pytest.mark.parametrize("length", [1025, 1120, 16000, 16001, 16159, 16160, 23456, 170_000])
def test_one_unit_for_two_frames(extractor, length):
    codes = extractor.extract(noise(11.0)[:length], 16000).codes
    assert codes.shape == ((1 + length // 160 - 2) // 2,)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, plain(extractor, noise(11.0)[:length]))


@pytest.mark.parametrize("name", QUANTIZERS)
def test_every_quantiser_has_the_units_of_its_model(name):
    extractor = UnitExtractor(make_model(name))
    samples = noise(3.0, 1)
    units = extractor.extract(samples, 16000, matrices=["vectors", "continuous"])
    trained = extractor.trained
    mel = trained.features(samples)
    with torch.inference_mode():
        np.testing.assert_array_equal(units.codes, trained.model.encode(mel)[0])
        np.testing.assert_array_equal(units.vectors, trained.model.quantizer.lookup(trained.model.encode(mel))[0])
        z = trained.model.encoder(mel[:, : mel.shape[1] // 2 * 2])[0, :, : trained.model.quantizer.dim]
    np.testing.assert_allclose(units.continuous, z, atol=1e-4)


def test_posteriors_are_the_softmax_of_weighted_distances(extractor):
    samples = noise(1.0)
    units = extractor.extract(samples, 16000, matrices=["posteriors"])
    trained = extractor.trained
    with torch.no_grad():
        mel = trained.features(samples)
        output = trained.model.encoder(mel[:, : mel.shape[1] // 2 * 2])[0].double()
    z, extra = output[:, :8], output[:, 8:]
    variance = torch.exp(extra + trained.model.quantizer.log_variance)
    codebook = trained.model.quantizer.codebook.double()
    distance = ((z[:, None] - codebook) ** 2 / variance[:, None]).sum(-1)
    np.testing.assert_allclose(units.posteriors, torch.softmax(-distance / 2, -1).detach(), rtol=1e-4)
    np.testing.assert_allclose(units.posteriors.sum(1), 1, rtol=1e-5)
    chosen = np.take_along_axis(units.posteriors, units.codes[:, None], 1)[:, 0]
    np.testing.assert_allclose(chosen, units.posteriors.max(1), rtol=1e-5)


def test_a_baseline_has_no_posteriors():
    with pytest.raises(ConfigError, match="vq_ema has no posterior"):
        UnitExtractor(make_model("vq")).extract(noise(1.0), 16000, matrices=["posteriors"])
    with pytest.raises(ConfigError, match="vq_ema has no posterior"):
        Codec(make_model("vq")).check_matrices(["posteriors"])


@pytest.mark.parametrize("name", ["sq-I", "sq-IV", "vmf"])
def test_the_others_have(name):
    Codec(make_model(name)).check_matrices(MATRICES)


@settings(max_examples=20)
@given(st.lists(st.integers(1025, 30_000), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_company_and_order_change_nothing(extractor, lengths, random):
    recordings = [noise(2.0, seed)[:length] for seed, length in enumerate(lengths)]
    order = list(range(len(lengths)))
    random.shuffle(order)
    together = extractor.codec.encode_many([recordings[place] for place in order])
    for place, units in zip(order, together, strict=True):
        np.testing.assert_array_equal(units.codes, extractor.extract(recordings[place], 16000).codes)


@pytest.mark.parametrize("longest", [1, 7, 64])
def test_windows_change_nothing(extractor, monkeypatch, longest):
    samples = noise(6.0, 2)
    whole = extractor.extract(samples, 16000, matrices=MATRICES)
    monkeypatch.setattr(module, "LONGEST", longest)
    parts = extractor.extract(samples, 16000, matrices=MATRICES)
    np.testing.assert_array_equal(parts.codes, whole.codes)
    for name in MATRICES:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-4)


def test_a_recording_too_long_to_be_kept_has_the_same_units(extractor, monkeypatch):
    samples = noise(5.0, 3)
    kept = extractor.extract(samples, 16000).codes
    monkeypatch.setattr(chunked_log_mel, "KEPT", 10)
    monkeypatch.setattr(chunked_log_mel, "BLOCK", 37)
    np.testing.assert_array_equal(extractor.extract(samples, 16000).codes, kept)


def test_rounding_decides_nothing(extractor, monkeypatch):
    """Latents that are wrong by more than rounding ever is change no code: what is near is computed again."""
    samples = noise(8.0, 4)
    codes = extractor.extract(samples, 16000).codes
    generator = torch.Generator().manual_seed(0)

    class Shaken(ConvolutionWindows):
        def __call__(self, *arguments):
            output = super().__call__(*arguments)
            return output * (1 + 1e-6 * torch.randn(output.shape, generator=generator))

    monkeypatch.setattr(extractor.codec.encoder, "_windows", Shaken(extractor.trained.model.encoder.layers))
    for _ in range(5):
        np.testing.assert_array_equal(extractor.extract(samples, 16000).codes, codes)


def test_half_precision_is_near_and_says_so(extractor):
    half = UnitExtractor(extractor.trained, "bfloat16")
    samples = noise(6.0, 5)
    agreement = (half.extract(samples, 16000).codes == extractor.extract(samples, 16000).codes).mean()
    assert 0.8 < agreement < 1
    assert (half.info.precision, extractor.info.precision) == ("bfloat16", "float32")


@pytest.mark.parametrize("length", [32_000, 32_001, 32_159, 32_160, 32_319])
def test_a_click_is_in_the_middle_of_the_units_that_it_changes(extractor, length):
    """A unit sees as much before what it describes as after, so a click changes as many units on either side."""
    level = extractor.level(noise(2.1)[:length], 16000)
    silence = np.zeros(length, np.float32)

    def latents(samples):
        return extractor.extract(samples, 16000, level=level, matrices=["continuous"]).continuous

    before, info = latents(silence), extractor.info
    for unit in [0, 1, 2, 3, 4, 5, 20, 47, len(before) - 3, len(before) - 2, len(before) - 1]:
        clicked = silence.copy()
        middle = round((info.offset + (unit + 0.5) / info.frame_rate) * 16000)
        clicked[middle] = level.peak
        changed = np.flatnonzero(np.abs(latents(clicked) - before).max(1) > 1e-6)
        expected = np.arange(max(0, unit - 4), min(len(before), unit + 5))
        np.testing.assert_array_equal(changed, expected)
    assert info.offset + len(before) / info.frame_rate <= length / 16000


def test_a_level_without_the_mean_is_refused_where_it_is_needed():
    level = UnitExtractor(make_model()).level(noise(1.0), 16000)
    with pytest.raises(DataError, match="no mean of the bands"):
        UnitExtractor(make_model(normalize=True)).extract(noise(1.0), 16000, level=level)


def test_another_rate_is_resampled(extractor):
    samples = noise(2.0)
    expected = extractor.extract(audio.resample(samples, 22050, 16000), 16000).codes
    np.testing.assert_array_equal(extractor.extract(samples, 22050).codes, expected)


def test_too_short_is_said(extractor):
    with pytest.raises(DataError, match="too short"):
        extractor.extract(np.zeros(500, np.float32), 16000)


def test_real_speech_has_the_units_of_double_precision(extractor, speech):
    for path in sorted((speech / "emodb").rglob("*.flac"))[:3] or sorted((speech / "emodb").rglob("*.wav"))[:3]:
        samples, _ = audio.read(path, 16000)
        np.testing.assert_array_equal(extractor.extract(samples, 16000).codes, plain(extractor, samples))
