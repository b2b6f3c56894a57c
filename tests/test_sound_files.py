"""Sound files as they are found: all samples of them are read, or it is said what is wrong."""

import os
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pytest
import sound_neighbours as neighbours
import soundfile
from sound_neighbours import COUNT, FORWARD, NO_SOUND, OTHER, RATE, SAMPLES, UNREAD, encoded

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.sound_files import decoder as decoders

ROWS = neighbours.rows()
LOSSLESS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "BW64", "RIFX")


def note(path: Path, rate: int) -> str:
    with audio.AudioFile(path) as file:
        return file.note(rate)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


@pytest.mark.parametrize(("name", "content", "right", "note"), ROWS, ids=[row[0] for row in ROWS])
def test_all_samples_are_read_or_the_loss_is_named(path, name, content, right, note):
    path.write_bytes(content)
    if isinstance(right, str):
        for look in (audio.probe, audio.read):
            with pytest.raises(DataError, match=rf"a\.wav: .*{right}") as caught:
                look(path)
            assert "\n" not in str(caught.value)
        return
    info = audio.probe(path)
    samples, rate = audio.read(path)
    assert (info.n_samples, len(samples)) == (right, right)
    assert note in info.note
    assert bool(note) == bool(info.note)
    if name.split()[0] in LOSSLESS and right in (COUNT, 2 * COUNT, COUNT + len(OTHER)):
        truth = np.concatenate([SAMPLES, OTHER if right == COUNT + len(OTHER) else SAMPLES])
        if "one of unknown" in name:
            truth = np.concatenate([OTHER, SAMPLES])
        assert np.array_equal(samples, truth[:right] / np.float32(32768))
    first, last = right // 2, right * 3 // 4
    part, _ = audio.read(path, None, first / rate, last / rate)
    np.testing.assert_allclose(part, samples[first:last], atol=1e-6)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg, whose count is the oracle")
@pytest.mark.parametrize("name", [row[0] for row in ROWS if row[0].startswith("MPEG") and "cut" not in row[0]])
def test_mpeg_has_as_many_samples_as_ffmpeg_decodes(path, name):
    path.write_bytes(next(row[1] for row in ROWS if row[0] == name))
    command = ["ffmpeg", "-v", "quiet", "-i", path, "-f", "s16le", "-ac", "1", "-"]
    decoded = len(subprocess.run(command, capture_output=True, check=False).stdout) // 2
    info = audio.probe(path)
    frame = max((key, samples) for key, (_, _, samples) in neighbours.MPEG_FRAMES.items() if name.startswith(key))[1]
    # ffmpeg drops a frame where streams meet, and searches less far for the first.
    assert decoded - info.n_samples in ((0, -frame) if "in two" in name else (0,))


@pytest.mark.parametrize(("form", "subtype"), FORWARD)
def test_what_cannot_seek_is_decoded_forward(path, form, subtype):
    path.write_bytes(encoded(form, subtype, rate=8000 if "G72" in subtype else RATE))
    with decoders.Forward(path) as file:  # to the end, by libsndfile alone
        truth = file.read(COUNT + 5000, dtype="float32")
        rate = file.samplerate
    assert len(truth) >= COUNT
    assert np.array_equal(audio.read(path)[0], truth)
    for first, last in pairwise((0.0, 0.1, 0.25, 0.5)):
        part, _ = audio.read(path, None, first, last)
        assert np.array_equal(part, truth[round(first * rate) : round(last * rate)])


@pytest.mark.parametrize("name", UNREAD)
def test_sound_in_a_format_that_is_not_read_is_not_said_to_be_damaged(path, name):
    content, title = UNREAD[name]
    path.write_bytes(content.ljust(2000, b"\x55"))
    with pytest.raises(DataError, match=rf"not a format that is read: .*{title}.*convert it to FLAC or WAV") as caught:
        audio.read(path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("name", NO_SOUND)
def test_what_is_no_sound_is_named(path, name):
    content, title = NO_SOUND[name]
    path.write_bytes(content.ljust(2000, b"\x20"))
    with pytest.raises(DataError, match=rf"cannot decode, this is .*{title}"):
        audio.read(path)


@pytest.mark.parametrize("rate", [0, 1, 8, 3999, 1_000_001, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_sample_rate_that_no_speech_has_is_refused(path, rate):
    path.write_bytes(neighbours.put(encoded("WAV"), 24, "<I", rate))
    for look in (audio.probe, lambda path: audio.read(path, RATE)):
        with pytest.raises(DataError, match="a sample rate of|cannot decode"):
            look(path)


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 22050, 96000, 768_000])
def test_other_sample_rates_are_used_and_a_low_one_is_noted(path, rate):
    path.write_bytes(encoded("WAV", rate=rate))
    assert len(audio.read(path, RATE)[0]) == pytest.approx(COUNT * RATE / rate, abs=2)
    assert note(path, RATE) == (f"{rate} Hz, so nothing above {rate // 2} Hz" if rate < RATE else "")


@pytest.mark.parametrize(
    "error", [ValueError, RuntimeError, struct.error, MemoryError, OverflowError, ZeroDivisionError]
)
def test_whatever_a_decoder_raises_names_the_file(path, monkeypatch, error):
    def read(*args: object, **options: object) -> None:
        raise error("array is\ntoo big")

    path.write_bytes(encoded("WAV"))
    monkeypatch.setattr(decoders.Forward, "read", read)
    with pytest.raises(DataError, match=rf"a\.wav: cannot decode \({error.__name__}: array is too big\)"):
        audio.read(path)


SPEECH = SAMPLES / 32768
NOISE = np.random.default_rng(1).normal(0, 0.002, COUNT)
# Channels, and the one that is taken alone; None for the mean.
CHANNELS = {
    "opposite": ([SPEECH, -SPEECH], 1),
    "opposite, the second louder": ([0.7 * SPEECH, -SPEECH], 2),
    "opposite, with noise": ([SPEECH, -SPEECH + NOISE], None),
    "opposite, with an offset": ([SPEECH + 0.2, 0.2 - 0.9 * SPEECH], 1),
    "opposite in pairs": ([0.9 * SPEECH, -0.9 * SPEECH, SPEECH, -SPEECH], 3),
    "opposite, and silence": ([SPEECH, -SPEECH, 0 * SPEECH], 1),
    "equal": ([SPEECH, SPEECH], None),
    "one silent": ([SPEECH, 0 * SPEECH], None),
    "both silent": ([0 * SPEECH, 0 * SPEECH], None),
    "unrelated": ([SPEECH, SPEECH[::-1]], None),
    "six unrelated": ([np.roll(SPEECH, 999 * n) for n in range(6)], None),
    "a little late": ([SPEECH, np.roll(SPEECH, 3)], None),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_channels_that_cancel_are_not_mixed(path, tmp_path, name):
    channels, alone = CHANNELS[name]
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    file = np.stack(channels, axis=1).astype(np.float32)
    if name == "opposite, with noise":
        alone = 2 if np.std(channels[1]) > np.std(channels[0]) else 1
    right = file[:, alone - 1] if alone else file.mean(axis=1)
    np.testing.assert_allclose(audio.read(path)[0], right, atol=1e-6)
    np.testing.assert_allclose(audio.read(path, None, 0.1, 0.3)[0], right[1600:4800], atol=1e-6)
    with audio.AudioFile(path, 0.1) as part, TemporaryFile() as target:
        on_disk = part.read_to_disk(RATE, target)
    np.testing.assert_allclose(on_disk, right[1600:], atol=1e-6)
    said = f"{len(channels)} channels that cancel each other, of which channel {alone} is used"
    assert note(path, RATE) == (said if alone else f"{len(channels)} channels, mixed down")


def test_a_part_of_a_long_recording_has_the_channel_of_the_whole(path):
    rng = np.random.default_rng(0)
    left = rng.uniform(-0.5, 0.5, 100 * RATE).astype(np.float32)
    right = np.where(np.arange(len(left)) < 30 * RATE, left, -1.1 * left)
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    part, _ = audio.read(path, None, 10.0, 12.0)
    whole, _ = audio.read(path)
    assert np.array_equal(part, whole[10 * RATE : 12 * RATE])


def test_what_decoding_counts_is_counted_once(path, monkeypatch):
    path.write_bytes(neighbours.silence("MPEG 1 layer III", 100)[0])
    decoded = []
    read = decoders.Forward.read
    monkeypatch.setattr(
        decoders.Forward, "read", lambda self, *args, **options: decoded.append(1) or read(self, *args, **options)
    )
    for _ in range(5):
        assert audio.probe(path).n_samples == 100 * 1152
    assert sum(decoded) == 100 * 1152 // decoders.BLOCK + 1


def test_what_a_header_counts_is_not_decoded(path, monkeypatch):
    monkeypatch.setattr(decoders.Forward, "read", None)
    for form in ("WAV", "FLAC", "AIFF", "W64", "RF64", "CAF", "AU", "NIST"):
        path.write_bytes(encoded(form))
        assert audio.probe(path).n_samples == COUNT


def test_a_pipe_a_folder_and_no_file_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "none", "x" * 300, "none/a.wav"):
        with pytest.raises(DataError, match="no such audio file|cannot read the audio file"):
            audio.read(tmp_path / name)


def outcome(path) -> str:
    try:
        samples, _ = audio.read(path, RATE)
    except DataError as error:
        return str(error)
    return "read" if np.isfinite(samples).all() else "not finite"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_the_end_of_ogg_is_missed(path, subtype, share):
    whole = encoded("OGG", subtype, np.tile(SAMPLES, 12))
    path.write_bytes(whole)
    assert note(path, RATE) == ""
    path.write_bytes(whole[: int(share * len(whole))])
    said = outcome(path)
    assert "truncated, its last page" in said or (said == "read" and "its last page" in note(path, RATE))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF", "OGG", "MP3", "CAF", "W64", "AU", "NIST"])
def test_damage_anywhere_is_read_or_named(path, form):
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(form, "PCM_16")
    whole = bytearray(encoded(form, subtype))
    rng = np.random.default_rng(len(form))
    for _ in range(25):
        content = bytearray(whole)
        for at in rng.integers(0, 200 if rng.random() < 0.7 else len(whole), rng.integers(1, 5)):
            content[at] = rng.integers(256)
        path.write_bytes(content[: rng.integers(20, len(content))] if rng.random() < 0.3 else content)
        said = outcome(path)
        assert said == "read" or (said.startswith(f"{path}: ") and "\n" not in said)
