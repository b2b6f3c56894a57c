"""Frames to units and to seconds, against a count by hand and against convolutions of other strides."""

import pytest
import torch
from torch import nn

from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig
from sqspeech.models.encoder import ConvEncoder, ConvolutionalEncoder, EncoderConfig, convolution
from sqspeech.models.geometry import Geometry


def published() -> Geometry:
    return ConvEncoder(EncoderConfig(width=4), 5, 3).geometry


def strided(*strides: int, first: int) -> ConvolutionalEncoder:
    """An encoder of a convolution that is not padded, `first` frames wide, and one of twice its stride for each."""
    layers = convolution(5, 4, kernel_size=first)
    for stride in strides:
        layers += convolution(4, 4, kernel_size=2 * stride, stride=stride, padding=stride // 2)
    return ConvolutionalEncoder(nn.Sequential(*layers)).eval()


def test_the_published_encoder_describes_two_frames_after_one():
    assert published() == Geometry(stride=2, left=1, right=1)
    features = LogMelConfig(sample_rate=16000, hop_length=160)
    # Frame 1 is centred on 10 ms and begins half a hop before.
    assert (published().frame_rate(features), published().offset(features)) == (50.0, 0.005)


@pytest.mark.parametrize(
    ("strides", "first", "expected"),
    [
        ((2,), 3, Geometry(stride=2, left=1, right=1)),
        ((2, 2), 1, Geometry(stride=4, left=0, right=0)),
        ((2, 2), 5, Geometry(stride=4, left=2, right=2)),
        ((4,), 1, Geometry(stride=4, left=0, right=0)),
        ((), 3, Geometry(stride=1, left=1, right=1)),
    ],
)
def test_the_geometry_is_that_of_the_convolutions(strides, first, expected):
    encoder = strided(*strides, first=first)
    assert encoder.geometry == expected
    for frames in range(expected.shortest, 40):
        units = expected.units(frames)
        mel = torch.rand(1, frames, 5)
        assert encoder(mel[:, : expected.used(frames)]).shape[1] == units
        assert expected.target(mel).shape[1] == units * expected.stride
        # One more frame than are used gives no more units before there are as many as the next one needs.
        assert expected.used(frames) <= frames < expected.used(frames) + expected.stride


def test_a_unit_lies_in_the_middle_of_the_frames_it_depends_on():
    encoder = strided(2, 2, first=5)
    mel = torch.rand(1, 100, 5, requires_grad=True)
    encoder(mel)[0, 9].sum().backward()
    seen = mel.grad[0].abs().sum(1).nonzero().flatten()
    first = encoder.geometry.left + 9 * encoder.geometry.stride
    assert seen[0] + seen[-1] == first + first + encoder.geometry.stride - 1


def test_what_is_too_short_is_refused_with_the_number_that_is_needed():
    assert published().check(4) == 1
    with pytest.raises(DataError, match="3 frames are too short for one unit; at least 4 are needed"):
        published().check(3)
