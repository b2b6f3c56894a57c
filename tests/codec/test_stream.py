"""Units of a stream against those of the whole."""

import numpy as np
import pytest
from units_models import make_model, noise

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.units import UnitExtractor


def streamed(stream, samples: np.ndarray, sizes) -> tuple[list[np.ndarray], list[int]]:
    """The units as they came, and how many samples had been pushed when each came."""
    units, pushed, start = [], [], 0
    for size in sizes:
        for found in stream.push(samples[start : start + size]):
            units.append(found.codes)
            pushed += [min(start + size, len(samples))] * len(found)
        start += size
    for found in stream.close():
        units.append(found.codes)
        pushed += [len(samples)] * len(found)
    return units, pushed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [3, 300, 3000, 30_000])
def test_chunks_of_any_size(extractor, most, seed):
    rng = np.random.default_rng(most + seed)
    # Of the smallest chunks a stream has thousands: short recordings of theirs are enough.
    samples = noise(2.5, seed)[: int(rng.integers(1025, 40_000 if most > 3 else 6000))]
    level = extractor.level(samples, 16000)
    sizes = rng.integers(0, most, size=4 * len(samples) // most + 1)
    sizes = np.append(sizes, max(0, len(samples) - sizes.sum()))
    units, _ = streamed(extractor.stream(level), samples, sizes)
    np.testing.assert_array_equal(np.concatenate(units), extractor.extract(samples, 16000).codes)


def test_a_unit_comes_as_soon_as_its_last_frame(extractor):
    samples = noise(0.5)
    stream = extractor.stream(extractor.level(samples, 16000))
    units, pushed = streamed(stream, samples, [1] * len(samples))
    info = extractor.info
    ends = info.offset + (1 + np.arange(len(pushed))) / info.frame_rate
    waited = np.array(pushed) / 16000 - ends
    assert all(len(part) == 1 for part in units[:-1])
    known = np.array(pushed) < len(samples)
    np.testing.assert_allclose(waited[known], stream.latency, atol=1e-9)
    assert stream.latency == pytest.approx(0.0775)


def test_nothing_can_be_known_sooner(extractor):
    """A sample at the end of what a unit waits for changes the encoder's output for it."""
    samples = noise(1.5)
    level, info = extractor.level(samples, 16000), extractor.info
    unit = 20
    last = round((info.offset + (unit + 1) / info.frame_rate + extractor.stream(level).latency) * 16000) - 1
    # The window is zero at its first sample and nearly so at its last.
    changed = samples.copy()
    changed[last - 30 : last + 1] += 0.5 * level.peak
    outputs = [extractor.extract(x, 16000, level=level, matrices=["continuous"]).continuous for x in (samples, changed)]
    difference = np.abs(outputs[0] - outputs[1]).max(1)
    assert difference[unit] > 0
    assert not difference[:unit].any()


def test_a_long_stream_keeps_little(extractor):
    samples = noise(20.0)
    stream = extractor.stream(extractor.level(samples, 16000))
    for start in range(0, len(samples), 1600):
        list(stream.push(samples[start : start + 1600]))
        assert len(stream._samples) < 8000


def test_another_rate(extractor):
    samples = noise(3.0)
    level = extractor.level(samples, 48000)
    units, _ = streamed(extractor.stream(level, 48000), samples, [4800] * 30)
    expected = extractor.extract(samples, 48000).codes
    found = np.concatenate(units)
    assert len(found) == len(expected)
    assert (found == expected).mean() > 0.9


def test_too_little_is_said(extractor):
    stream = extractor.stream(extractor.level(noise(1.0), 16000))
    list(stream.push(np.zeros(300, np.float32)))
    with pytest.raises(DataError, match="too short for one unit"):
        list(stream.close())


def test_damaged_samples_are_refused(extractor):
    with pytest.raises(DataError, match="NaN"):
        list(extractor.stream(extractor.level(noise(1.0), 16000)).push(np.array([np.nan], np.float32)))


def test_real_speech(speech):
    extractor = UnitExtractor(make_model("sq-I", width=64))
    path = sorted((speech / "librispeech28").rglob("*.flac"))[17]
    samples, rate = audio.read(path, 16000)
    samples = samples[: 6 * rate]
    rng = np.random.default_rng(0)
    expected = extractor.extract(samples, rate).codes
    for _ in range(5):
        sizes = rng.integers(0, 9000, size=2 * len(samples) // 9000 + 20)
        units, _ = streamed(extractor.stream(extractor.level(samples, rate)), samples, sizes)
        np.testing.assert_array_equal(np.concatenate(units), expected)
