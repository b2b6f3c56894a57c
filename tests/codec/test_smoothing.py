"""Units that change less often: the best path of all, and its way through codec, files and priors."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from units_models import make_model, noise

from sqspeech import Codec, audio
from sqspeech.checkpoint import build_model, checkpoint_content, write_content
from sqspeech.cli import app
from sqspeech.codec.smoothing import smoothed
from sqspeech.config import ExperimentConfig
from sqspeech.errors import ConfigError
from sqspeech.units import read

SAMPLES = 0.5 * noise(2.0)


def cost(codes: np.ndarray, posteriors: np.ndarray, penalty: float) -> float:
    chosen = np.take_along_axis(posteriors, codes[:, None], 1)
    return -np.log(chosen).sum() + penalty * np.count_nonzero(np.diff(codes))


def random_posteriors(steps: int, codes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(codes, 0.5), steps)


@given(
    st.integers(1, 6), st.integers(2, 3), st.sampled_from([0.0, 0.3, 1.0, 3.0]), st.integers(0, 2**31), st.booleans()
)
def test_no_other_codes_cost_less(steps, codes, penalty, seed, is_certain):
    posteriors = random_posteriors(steps, codes, seed)
    if is_certain:
        posteriors = np.where(posteriors == posteriors.max(1, keepdims=True), 1.0, 1e-38)
    every = [cost(np.array(path), posteriors, penalty) for path in itertools.product(range(codes), repeat=steps)]
    assert cost(smoothed(posteriors.astype(np.float32), penalty), posteriors, penalty) == pytest.approx(min(every))


def test_a_higher_penalty_gives_longer_runs():
    posteriors = random_posteriors(500, 20, 1)
    changes = [np.count_nonzero(np.diff(smoothed(posteriors, penalty))) for penalty in (0.0, 0.5, 2.0, 8.0, 1e4)]
    assert changes == sorted(changes, reverse=True)
    assert len(set(changes)) == len(changes)
    assert changes[-1] == 0


def test_a_codec_smooths_what_it_encodes_and_says_so():
    trained = make_model()
    whole = Codec(trained).encode(SAMPLES, matrices=["posteriors"])
    codec = Codec(trained, smooth=0.01)
    units = codec.encode(SAMPLES, matrices=["vectors"])
    np.testing.assert_array_equal(units.codes, smoothed(whole.posteriors, 0.01))
    assert 0 < len(units.runs()[0]) < len(whole.runs()[0])
    np.testing.assert_array_equal(units.vectors, codec.trained.model.quantizer.codewords()[units.codes])
    assert (units.info.smooth, whole.info.smooth, units.posteriors) == (0.01, 0.0, None)
    np.testing.assert_array_equal(Codec(trained, smooth=0.0).encode(SAMPLES).codes, whole.codes)
    speech, _ = codec.decode(units, "a", vocoder="griffin_lim")
    assert len(speech) == len(SAMPLES)


@pytest.mark.parametrize(
    ("quantizer", "penalty", "reason"),
    [
        ("vq", 1.0, "vq_ema has no posterior"),
        ("sq-I", -1.0, "-1 is not a number of nats from 0 on"),
        ("sq-I", float("nan"), "nan is not a number"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(quantizer, penalty, reason):
    with pytest.raises(ConfigError, match=reason):
        Codec(make_model(quantizer), smooth=penalty).encode(SAMPLES)


def test_units_of_several_stages_are_not_smoothed():
    quantizer = {"name": "residual", "stages": 3, "quantizer": {"variance": "I", "codebook_size": 8, "codebook_dim": 4}}
    config = ExperimentConfig.from_dict({"encoder": {"width": 8}, "quantizer": quantizer}, "test")
    trained = replace(make_model(), config=config, model=build_model(config, 2))
    with pytest.raises(ConfigError, match="units of 3 stages are not smoothed; take the first stage alone"):
        Codec(trained, smooth=1.0)


def test_a_stream_is_not_smoothed():
    codec = Codec(make_model(), smooth=1.0)
    with pytest.raises(ConfigError, match="a whole recording is needed, and a stream has none"):
        codec.stream(codec.level(SAMPLES))


def test_the_command_writes_smoothed_units_which_are_not_those_of_a_prior_of_others(tmp_path):
    trained = make_model()
    checkpoint = tmp_path / "model.ckpt"
    write_content(checkpoint, checkpoint_content(trained.config, trained.speakers, {}, trained.model, {}))
    audio.write(tmp_path / "talk.wav", SAMPLES, 16000)
    call = ["units", str(checkpoint), str(tmp_path / "talk.wav"), "--format", "npz", "--smooth", "0.01", "-o"]
    result = CliRunner().invoke(app, [*call, str(tmp_path / "units")])
    assert result.exit_code == 0, result.output
    written, codec = read(tmp_path / "units"), Codec.load(checkpoint, smooth=0.01)
    np.testing.assert_array_equal(written["talk"].codes, codec.encode(tmp_path / "talk.wav").codes)
    assert written.info == codec.info
    assert written.info.origin == f"{Codec.load(checkpoint).trained.digest}, smoothed at 0.01 nats"
