"""The first stages of a residual model: fewer bits from the same checkpoint, through units, files and speech."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner
from units_models import noise

from sqspeech import Codec, audio
from sqspeech.checkpoint import build_model, checkpoint_content, write_content
from sqspeech.cli import app
from sqspeech.config import ExperimentConfig
from sqspeech.errors import DataError
from sqspeech.units import read

STAGES, SIZE = 3, 8
SAMPLES = 0.5 * noise(1.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    quantizer = {
        "name": "residual",
        "stages": STAGES,
        "quantizer": {"variance": "I", "codebook_size": SIZE, "codebook_dim": 4},
    }
    document = {"encoder": {"width": 12}, "quantizer": quantizer, "decoder": {"name": "conv", "width": 8}}
    config = ExperimentConfig.from_dict(document, "test")
    path = tmp_path_factory.mktemp("model") / "model.ckpt"
    write_content(path, checkpoint_content(config, ["a", "b"], {}, build_model(config, 2), {}))
    return path


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_units_of_the_first_stages_are_the_first_codes_and_every_loading_decodes_them(checkpoint, stages):
    whole, part = Codec.load(checkpoint), Codec.load(checkpoint, stages=stages)
    units, all_units = part.encode(SAMPLES, 16000), whole.encode(SAMPLES, 16000)
    assert np.array_equal(units.codes.reshape(len(units), -1), all_units.codes[:, :stages])
    assert units.info.stages == stages
    speech, again = (codec.decode(units, "b", vocoder="griffin_lim")[0] for codec in (part, whole))
    assert np.array_equal(speech, again)
    converted, _ = part.convert(SAMPLES, 16000, to="b", vocoder="griffin_lim")
    np.testing.assert_allclose(speech, converted, atol=1e-6)


def test_units_of_more_stages_than_were_loaded_are_refused(checkpoint):
    units = Codec.load(checkpoint).encode(SAMPLES, 16000)
    for stages in (1, 2):
        with pytest.raises(DataError, match=rf"units of 3 stages, but the model has {stages}"):
            Codec.load(checkpoint, stages=stages).decode(units, "a")


def test_the_command_line_chooses_the_stages(checkpoint, tmp_path):
    (tmp_path / "in").mkdir()
    audio.write(tmp_path / "in/u.wav", SAMPLES, 16000)
    command = ["units", str(checkpoint), str(tmp_path / "in"), "-o", str(tmp_path / "units"), "--format", "npz"]
    for stages, shape in (("2", (2,)), ("1", ())):
        result = CliRunner().invoke(app, [*command, "--stages", stages], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert read(tmp_path / "units/npz")["u"].codes.shape[1:] == shape
