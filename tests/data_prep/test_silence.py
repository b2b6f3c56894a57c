import numpy as np
import pytest
import soundfile
from corpus import voice

from data_prep import silence
from sqspeech.errors import DataError

RATE = 48000


def write(path, samples):
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def between_silences(before, after, rumble=0.0):
    """Return a voice of one second between `before` and `after` seconds of room noise, over a rumble of 20 Hz."""
    spoken = np.pad(voice(120.0, 1, 1.0, RATE), (round(before * RATE), round(after * RATE)))
    time = np.arange(len(spoken)) / RATE
    noise = 1e-4 * np.random.default_rng(0).standard_normal(len(spoken))
    return spoken + noise + rumble * np.sin(2 * np.pi * 20 * time)


@pytest.mark.parametrize("rumble", [0.0, 0.01])
@pytest.mark.parametrize(("before", "after"), [(0.5, 0.8), (0.02, 0.8), (0.5, 0.02), (0.0, 0.0)])
def test_speech_is_found_with_a_margin_also_over_a_rumble(tmp_path, before, after, rumble):
    path = write(tmp_path / "a.wav", between_silences(before, after, rumble))
    span = silence.find_speech(path)
    # To a frame of 2048 samples, 43 ms: the window sees the speech before and after it is there.
    assert max(0.0, before - 0.05 - 0.05) <= span.start <= max(0.0, before - 0.04)
    end, duration = before + 1.0, before + 1.0 + after
    assert min(duration, end + 0.03) - 1e-4 <= span.end <= min(duration, end + 0.05 + 0.05)


@pytest.mark.parametrize("level", [0.0, 9e-4])
def test_a_recording_of_silence_has_no_speech(tmp_path, level):
    path = write(tmp_path / "a.wav", level * np.sin(np.arange(RATE)))
    with pytest.raises(silence.SilentError, match="all silence"):
        silence.find_speech(path)


def test_each_recording_of_many_gets_its_span_or_its_error_in_order(tmp_path):
    paths = [write(tmp_path / f"{n}.wav", between_silences(0.1 * n, 0.3)) for n in range(5)]
    paths[1:1] = [write(tmp_path / "nan.wav", np.full(RATE, np.nan)), tmp_path / "missing.wav"]
    paths.append(write(tmp_path / "zeros.wav", np.zeros(RATE)))
    found = list(silence.spans(paths, jobs=2))
    assert [type(one) for one in found] == [
        silence.Span,
        DataError,
        DataError,
        *[silence.Span] * 4,
        silence.SilentError,
    ]
    assert [found[n] for n in (0, 3, 6)] == [silence.find_speech(paths[n]) for n in (0, 3, 6)]
    starts = [one.start for one in found if isinstance(one, silence.Span)]
    assert starts == sorted(starts)
    assert str(found[2]).startswith(f"{paths[2]}: no such audio file")


def test_real_recordings_lose_little_energy_and_some_seconds(speech):
    paths = sorted((speech / "vctk_sample/VCTK-Corpus/wav48").glob("*/*.wav"))[::8]
    spans = [silence.find_speech(path) for path in paths]
    cut, durations = [], []
    for path, span in zip(paths, spans, strict=True):
        samples, rate = soundfile.read(path)
        durations.append(len(samples) / rate)
        # Above the rumble, as an ear hears it.
        power = np.diff(samples) ** 2
        cut.append(1 - power[round(span.start * rate) : round(span.end * rate)].sum() / power.sum())
        assert 0 <= span.start < span.end <= durations[-1]
    assert max(cut) < 0.01
    assert sum(span.end - span.start for span in spans) < 0.9 * sum(durations)
