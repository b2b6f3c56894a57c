import os
from tempfile import TemporaryFile

import numpy as np
import pytest
import soundfile

from sqspeech import audio
from sqspeech.errors import DataError, SqspeechError

TONE = (0.5 * np.sin(np.arange(16000) * 0.2)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_every_format_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, TONE, 16000)
    samples, rate = audio.read(path)
    assert (rate, samples.dtype) == (16000, np.float32)
    assert abs(len(samples) - 16000) < 2500  # lossy coders pad
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / 2**0.5, rel=0.1)


def test_channels_are_mixed_and_the_rate_changed(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1), 16000)
    samples, rate = audio.read(tmp_path / "a.wav", 8000)
    assert (rate, len(samples)) == (8000, 8000)
    assert samples[1000:7000].std() == pytest.approx(0.25 / 2**0.5, rel=0.01)


def test_what_is_written_is_read(tmp_path):
    audio.write(tmp_path / "new/a.wav", TONE, 16000)
    np.testing.assert_allclose(audio.read(tmp_path / "new/a.wav")[0], TONE, atol=1 / 32768)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.wav"]


@pytest.mark.parametrize("samples", [TONE * 3, np.full(10, np.nan, np.float32)])
def test_what_would_clip_is_not_written(tmp_path, samples):
    with pytest.raises(DataError, match="scale them"):
        audio.write(tmp_path / "a.wav", samples, 16000)
    assert not list(tmp_path.iterdir())


def damaged(path, kind: str) -> None:
    match kind:
        case "missing":
            pass
        case "empty":
            path.touch()
        case "text":
            path.write_text("this is a text and no recording\n" * 50)
        case "truncated flac":
            soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 48000), 16000, format="FLAC")
            path.write_bytes(path.read_bytes()[:20000])
        case "nan":
            soundfile.write(path, np.full(1600, np.nan), 16000, subtype="FLOAT", format="WAV")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such audio file"),
        ("empty", "0 bytes"),
        ("text", "cannot decode"),
        ("truncated flac", "truncated|cannot decode"),
        ("nan", "NaN or infinite"),
    ],
)
def test_damaged_files_are_named_with_the_reason(tmp_path, kind, reason):
    path = tmp_path / "a.wav"
    damaged(path, kind)
    with pytest.raises(DataError, match=rf"a\.wav: .*({reason})") as caught:
        audio.read(path, 16000)
    assert "\n" not in str(caught.value)


def test_a_part_past_the_end_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, 16000)
    with pytest.raises(DataError, match="nothing between 2.0 s and 3.0 s; it lasts 1.0 s"):
        audio.read(tmp_path / "a.wav", start=2.0, end=3.0)


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SqspeechError, match="cannot write"):
        audio.write(tmp_path / "file/a.wav", TONE, 16000)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("look", [audio.probe, audio.read])
def test_truncated(tmp_path, suffix, look):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 48000), 16000)
    look(path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(DataError, match=r"a\.\w+: truncated, \d+ of (96\d+ bytes|48000 samples)"):
        look(path)


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0x7FFFF000])
def test_a_length_that_was_not_known_when_it_was_written(tmp_path, stated):
    """ffmpeg and sox state such lengths when they write WAV to a pipe."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 1000), 16000)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = stated.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(audio.read(path)[0]) == 1000


@pytest.mark.parametrize("rate", [16000, 44100, 8000])
def test_reading_to_disk_gives_what_reading_gives(tmp_path, rate, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK", 10_000)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * rate, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    for start, end in ((0.0, None), (0.5, 2.25)):
        with audio.AudioFile(tmp_path / "a.wav", start, end) as file, TemporaryFile() as target:
            on_disk = file.read_to_disk(16000, target)
        in_memory, _ = audio.read(tmp_path / "a.wav", 16000, start, end)
        assert isinstance(on_disk, np.memmap)
        assert abs(len(on_disk) - len(in_memory)) <= 1
        count = min(len(on_disk), len(in_memory))
        np.testing.assert_allclose(on_disk[:count], in_memory[:count], atol=1e-5)


def test_a_bad_block_of_a_long_recording_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK", 1000)
    samples = np.zeros(5000, np.float32)
    samples[4500] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    said = pytest.raises(DataError, match=r"a.wav: NaN or infinite samples")
    with audio.AudioFile(tmp_path / "a.wav") as file, TemporaryFile() as target, said:
        file.read_to_disk(16000, target)


def test_blocks_are_written_as_one_recording(tmp_path, monkeypatch):
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    audio.write(tmp_path / "whole.wav", samples, 16000)
    monkeypatch.setattr(audio, "BLOCK", 999)
    audio.write(tmp_path / "blocks.wav", samples, 16000)
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "blocks.wav").read_bytes()
