"""Recordings whose bands are moved to those of the speaker to whom they are converted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_vocoder import Noise
from units_models import make_model, noise

from sqspeech.chunked_log_mel import ChunkedLogMel
from sqspeech.codec import Codec, PitchRule, find_speaker
from sqspeech.errors import DataError

SAMPLES = noise(2.0)
RNG = np.random.default_rng(0)
BANDS = {name: RNG.normal(0.4, 0.1, 80).tolist() for name in ("a", "b")}


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(replace(make_model(), bands=BANDS))


def convert(codec: Codec, to: str, **options: object) -> np.ndarray:
    return codec.convert(SAMPLES, to=to, vocoder=Noise(), **options)[0]


def test_the_means_become_the_given_ones_and_nothing_else_changes(codec):
    recording = codec.encoder.measured(SAMPLES)
    moved, frames = recording.moved(BANDS["a"]), recording.frames
    mel = moved.mel(0, frames)
    np.testing.assert_allclose(mel.double().mean(0), BANDS["a"], atol=1e-6)
    change = mel - recording.mel(0, frames)
    torch.testing.assert_close(change, change[:1].expand_as(change), atol=1e-6, rtol=0)
    # Frames that a recording does not have stay zeros.
    assert not moved.mel(-3, 2)[:3].any()


def test_blocks_do_not_matter(codec, monkeypatch):
    whole = codec.encoder.measured(SAMPLES).moved(BANDS["b"])
    monkeypatch.setattr("sqspeech.chunked_log_mel.BLOCK", 37)
    monkeypatch.setattr("sqspeech.chunked_log_mel.KEPT", 10)
    parts = codec.encoder.measured(SAMPLES).moved(BANDS["b"])
    assert isinstance(parts, ChunkedLogMel)
    torch.testing.assert_close(parts.mel(20, 90), whole.mel(20, 90), atol=1e-6, rtol=0)


def test_converting_is_decoding_the_units_toward_the_speaker(codec):
    toward, plain = codec.encode(SAMPLES, toward="b"), codec.encode(SAMPLES)
    assert (toward.codes != plain.codes).mean() > 0.2
    np.testing.assert_array_equal(codec.decode(toward, "b", vocoder=Noise())[0], convert(codec, "b"))
    with pytest.raises(DataError, match="speaker"):
        codec.encode(SAMPLES, toward="nobody")


def test_the_recordings_own_speaker_has_it_as_it_is(codec):
    np.testing.assert_array_equal(
        convert(codec, "b", source="b"), codec.decode(codec.encode(SAMPLES), "b", vocoder=Noise())[0]
    )


def test_several_speakers_at_once_are_each_alone(codec):
    outs = [np.zeros_like(SAMPLES) for _ in range(3)]
    speakers = [find_speaker(codec.trained, name) for name in ("a", "b", "a:1,b:1")]
    codec.synthesizer.convert(outs, SAMPLES, speakers, Noise(), pitch=PitchRule.parse("keep"))
    for out, name in zip(outs, ("a", "b", "a:1,b:1"), strict=True):
        np.testing.assert_allclose(out, convert(codec, name), atol=1e-5)
    np.testing.assert_allclose(speakers[2].bands, np.mean([BANDS["a"], BANDS["b"]], axis=0))


@pytest.mark.parametrize("normalize", [False, True])
def test_without_bands_or_use_for_them_units_are_the_recordings(normalize):
    trained = make_model(normalize=normalize)
    codec = Codec(replace(trained, bands=BANDS) if normalize else trained)
    np.testing.assert_array_equal(codec.encode(SAMPLES, toward="a").codes, codec.encode(SAMPLES).codes)
    np.testing.assert_array_equal(convert(codec, "a"), codec.decode(codec.encode(SAMPLES), "a", vocoder=Noise())[0])
