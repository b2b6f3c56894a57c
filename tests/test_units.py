import json

import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech.checkpoint import TrainedModel
from sqspeech.data.data_dir import read_table
from sqspeech.errors import DataError
from sqspeech.units import UnitInfo, centres, extract, write_units


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@pytest.mark.parametrize("length", [1025, 1120, 16000, 16001, 16159, 16160, 23456])
def test_one_unit_for_two_frames(trained, length):
    codes = extract(trained, voice(150.0, 0, 2.0)[:length])
    frames = 1 + length // 160
    assert codes.shape == ((frames - 2) // 2,)
    assert codes.dtype == np.int64
    assert codes.min() >= 0
    assert codes.max() < 8


def test_units_are_the_model_on_the_features(trained):
    samples = voice(150.0, 1)
    mel = trained.log_mel(torch.from_numpy(samples))[None]
    np.testing.assert_array_equal(extract(trained, samples), trained.model.encode(mel)[0])


def test_times_follow_from_the_frames(trained):
    info = UnitInfo.of(trained)
    frame_centres = np.arange(40) * 160 / 16000
    expected = [(frame_centres[2 * i + 1] + frame_centres[2 * i + 2]) / 2 for i in range(10)]
    np.testing.assert_allclose(centres(trained.config.features, 10), expected)
    np.testing.assert_allclose(info.offset + (np.arange(10) + 0.5) / info.frame_rate, expected)
    assert (info.frame_rate, info.codebook_size) == (50.0, 8)


@pytest.mark.parametrize("unit_format", ["kaldi", "npz"])
def test_what_is_written_is_read_back(trained, tmp_path, unit_format):
    units = {"b": np.array([3, 1, 1]), "a": np.array([7])}
    info = UnitInfo.of(trained)
    write_units(tmp_path / "u", units, info, unit_format)
    if unit_format == "npz":
        stored = np.load(tmp_path / "u")
        read = {name: stored[name] for name in stored.files}
    else:
        assert list(read_table(tmp_path / "u")) == ["a", "b"]
        read = {name: np.array(value.split(), int) for name, value in read_table(tmp_path / "u").items()}
    assert read.keys() == units.keys()
    for name in units:
        np.testing.assert_array_equal(read[name], units[name])
    assert UnitInfo(**json.loads((tmp_path / "u.json").read_text())) == info


def test_too_short_is_said(trained):
    with pytest.raises(DataError, match="too short"):
        extract(trained, np.zeros(500, np.float32))
