"""Crops of the vocoder's data, the losses on them, and configurations that are refused."""

import numpy as np
import pytest
import torch
from vocoder_place import CPU, HOP

from sqspeech import audio
from sqspeech.errors import ConfigError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.training.vocoder.config import VocoderConfig
from sqspeech.training.vocoder.crop import Crop, blurred
from sqspeech.training.vocoder.losses import SpectralLosses


def test_the_losses_are_zero_where_nothing_differs_and_see_a_phase():
    features = LogMelConfig()
    losses = SpectralLosses(features)
    time = torch.arange(8000) / 16000
    wanted = torch.stack([torch.cos(2 * torch.pi * 200 * time), torch.cos(2 * torch.pi * 300 * time)])
    same = losses(wanted, wanted, wanted)
    assert all(value < 0.03 for value in same.values())
    turned = losses(wanted, wanted, -wanted)
    assert turned["harmonic"] > 0.1
    assert turned["mel"] == same["mel"]


def test_the_log_mel_of_the_losses_is_the_features(experiment):
    samples = torch.from_numpy(audio.read(experiment.root / "corpus/test/f1-04.wav", 16000)[0])
    scaled = samples * (0.999 / samples.abs().max())
    emphasised = torch.cat([scaled[:1], scaled[1:] - 0.97 * scaled[:-1]])
    # Its frames begin at a hop; those of the features are centred there, and the third begins at sample 120.
    own = SpectralLosses(LogMelConfig())._log_mel(emphasised[None, 120:])[0] + 1
    wanted = LogMel(LogMelConfig())(samples)[2 : 2 + len(own)]
    audible = wanted > wanted.min() + 0.05
    assert audible.float().mean() > 0.5
    assert (own - wanted)[audible].abs().mean() < 0.01


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"inputs": {"decoded": 0.5}}, "inputs: decoded = 0.5 of the crops need a codec; name its checkpoint"),
        ({"inputs": {"codec": "x", "decoded": 0.5, "blurred": 0.6}}, "decoded 0.5 and blurred 0.6 exceed all crops"),
        ({"crops": {"frames": 16}}, "crops.frames: 16 hold no window of the losses; take 20 or more"),
        ({"crops": {"storage": "bfloat16"}}, "crops.storage: bfloat16 is too coarse for samples"),
        ({"network": {"kernel_size": 4}}, "network: kernel_size 4 must be odd"),
    ],
)
def test_a_configuration_that_cannot_be_trained_is_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        VocoderConfig.from_dict(values, "v.yaml")


def test_a_blurred_log_mel_is_the_mean_of_neighbours():
    mel = torch.rand(1, 9, 7)
    found = blurred(mel)
    torch.testing.assert_close(found[0, 4, 3], mel[0, 2:7, 2:5].mean())
    torch.testing.assert_close(found[0, 0, 0], mel[0, :3, :2].mean())


def test_the_parts_of_a_crop_come_from_the_same_place(place):
    task = place.task()
    train, _ = task.open_data(place.root / "dump")
    batches = task.batches(task.model(train), train, CPU, "device", (0, 1))
    crop = Crop.of(batches.batch(batches.key(3))[0], task.config.features, decoded=True)
    assert crop.mel.shape == crop.decoded.shape == (2, 24, 80)
    assert crop.wave.shape == (2, 23 * HOP)
    # The log-mel of the samples is the features', but for the level of the loudest frame.
    own = task.model(train).losses._log_mel(crop.wave)
    # Frames of the losses begin at hops, and are centred 200 samples later: between frames 1 and 2.
    between = (0.75 * crop.mel[:, 1:-2] + 0.25 * crop.mel[:, 2:-1])[:, : own.shape[1]]
    correlation = np.corrcoef(own.flatten(), between.flatten())[0, 1]
    assert correlation > 0.95
