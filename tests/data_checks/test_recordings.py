"""Findings in the audio."""

import struct

import numpy as np
import pytest
import soundfile
from kaldi_faults import audio, find, noise, segments, truncated

from sqspeech.data_checks.validate import validate

pytestmark = pytest.mark.usefixtures("without_processes")


def test_a_damaged_recording_damages_all_that_is_cut_from_it(data):
    segments("f1-a rec 0.1 0.5\nf1-b rec 0.5 -1\n", "rec f1-01.wav\n")(data)
    truncated()(data)
    assert [finding.where for finding in find(validate(data), "truncated audio")] == ["f1-a", "f1-b"]


def test_segments_of_the_same_samples_are_duplicates(data):
    segments("f1-a rec 0.1 0.5\nf1-b rec 0.5 0.8\nf1-c rec 0.1 0.5\n")(data)
    assert [f.where for f in find(validate(data), "the same audio as another utterance")] == ["f1-c"]


def test_a_recording_that_was_streamed_is_not_truncated(data):
    """sox and ffmpeg cannot know the length when they write to a pipe."""
    audio(noise(16000))(data)
    content = bytearray((data / "f1-01.wav").read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (data / "f1-01.wav").write_bytes(content)
    assert validate(data).findings == ()


def test_channels_that_cancel_are_measured_as_the_one_that_is_used(data):
    samples = noise(16000)
    audio(np.stack([0.5 * samples, -samples], axis=1))(data)
    soundfile.write(data / "f1-02.wav", -samples, 16000)
    assert [f.where for f in find(validate(data), "the same audio as another utterance")] == ["f1-02"]


@pytest.mark.parametrize("frequency", [60.0, 200.0, 3000.0])
def test_a_sine_at_full_scale_is_not_clipped(data, frequency):
    audio(np.sin(2 * np.pi * frequency * np.arange(16000) / 16000), subtype="FLOAT")(data)
    assert find(validate(data), "clipping") == []


@pytest.mark.parametrize("at", [0, 65534, 65536, 99997])
def test_three_samples_at_full_scale_are_clipped_wherever_blocks_end(data, at):
    samples = noise(100000)
    samples[at : at + 2] = -1
    audio(samples)(data)
    assert find(validate(data), "clipping") == []
    samples[at : at + 3] = -1
    audio(samples)(data)
    (found,) = find(validate(data), "clipping")
    assert found.detail.startswith("1 times")
