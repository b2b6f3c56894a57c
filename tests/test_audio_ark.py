"""Recordings in arks, as kaldiio writes them, are read as kaldiio reads them."""

import os
import struct
from pathlib import Path
from tempfile import TemporaryFile

import kaldiio
import numpy as np
import pytest
import soundfile
from corpus import voice

from sqspeech import audio, audio_ark
from sqspeech.data.data_dir import DataDir
from sqspeech.data.inputs import read_inputs
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError
from sqspeech.units import extract, extract_corpus, read

NAMES = ("a-0", "a-1", "a-2")
# A WAV as it is, and files with their lengths before them.
KINDS = ("plain", "wav", "flac")


def write(folder: Path, kind: str, rate: int = 16000) -> Path:
    """Write a data directory as ESPnet does; the paths in it are seen from its folder."""
    folder.mkdir()
    sounds = {
        name: (np.round(voice(100 + 20 * n, n, 0.5 + 0.1 * n, rate) * 32767)).astype(np.int16)
        for n, name in enumerate(NAMES)
    }
    options = {} if kind == "plain" else {"write_function": "soundfile", "write_kwargs": {"format": kind}}
    content = {name: (rate, samples) for name, samples in sounds.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with Path("data_wav.ark").open("wb") as ark:
            kaldiio.save_ark(ark, content, scp="wav.scp", **options)
    (folder / "utt2spk").write_text("".join(f"{name} a\n" for name in NAMES))
    return folder


def oracle(folder: Path, name: str) -> tuple[int, np.ndarray]:
    ark, offset = dict(line.split() for line in (folder / "wav.scp").read_text().splitlines())[name].split(":")
    rate, samples = kaldiio.load_mat(f"{folder / ark}:{offset}")
    return rate, (samples / 32768 if samples.dtype == np.int16 else samples).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [16000, 44100])
def test_they_are_what_kaldiio_reads(tmp_path, kind, rate):
    folder = write(tmp_path / "data", kind, rate)
    for utterance in DataDir.read(folder):
        expected_rate, expected = oracle(folder, utterance.utt_id)
        samples, found_rate = audio.read(utterance.path)
        np.testing.assert_array_equal(samples, expected)
        assert (found_rate, utterance.seconds()) == (expected_rate, len(expected) / rate)
        assert audio.probe(utterance.path).n_samples == len(expected)
        with utterance.open() as file, TemporaryFile() as target:
            on_disk = file.read_to_disk(rate, target)
        np.testing.assert_array_equal(on_disk, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_them_are_read(tmp_path, kind):
    folder = write(tmp_path / "data", kind)
    (folder / "segments").write_text("a-x a-1 0.1 0.25\na-y a-1 0.25 -1\n")
    (folder / "utt2spk").write_text("a-x a\na-y a\n")
    one, other = (utterance.read(16000) for utterance in DataDir.read(folder))
    np.testing.assert_array_equal(np.concatenate([one, other]), oracle(folder, "a-1")[1][1600:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("long", [600.0, 0.1])
def test_their_units_are_those_of_the_same_recordings_outside(experiment, tmp_path, monkeypatch, kind, long):
    monkeypatch.setattr(extract, "LONG", long)
    folder = write(tmp_path / "data", kind)
    (tmp_path / "plain").mkdir()
    for name in NAMES:
        rate, samples = oracle(folder, name)
        soundfile.write(tmp_path / f"plain/{name}.wav", samples, rate)
    for inputs, out in ((folder, "u"), (tmp_path / "plain", "v")):
        extract_corpus(experiment.checkpoint, read_inputs([inputs]), tmp_path / out, ["kaldi"])
    assert (tmp_path / "u/kaldi/units.txt").read_bytes() == (tmp_path / "v/kaldi/units.txt").read_bytes()
    assert len(read(tmp_path / "u")) == 3


def test_validate_finds_nothing_wrong_with_them(tmp_path):
    assert not [f for f in validate(write(tmp_path / "data", "plain")).findings if f.kind != "missing spk2utt"]


def test_they_are_sought_from_the_working_directory_too(tmp_path, monkeypatch):
    folder = write(tmp_path / "data", "plain")
    monkeypatch.chdir(tmp_path)
    (folder / "wav.scp").write_text((folder / "wav.scp").read_text().replace("data_wav", "data/data_wav"))
    assert [len(utterance.read(16000)) for utterance in DataDir.read(folder)] == [8000, 9600, 11200]


@pytest.mark.parametrize(
    ("content", "offset", "reason"),
    [
        (b"", 0, "empty"),
        (b"x", 5, "no audio at this place"),
        (b"a-0 text", 4, "no audio at this place"),
        (b"a-0 \0BFM \4\1\0\0\0\4\1\0\0\0xxxx", 4, "features at this place"),
        (b"a-0 PKL" + b"x" * 99, 4, "no audio at this place"),
        (b"a-0 AUDIO", 4, "no audio at this place"),
        (b"a-0 AUDIO\1\x09no sound!", 4, "cannot decode"),
        (b"a-0 AUDIO\xff" + b"\xff" * 255, 4, "unknown length"),
        (b"a-0 RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + b"x" * 40, 4, "unknown length"),
        (b"a-0 RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + b"x" * 40, 4, "unknown length"),
        (b"a-0 RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + b"x" * 40, 4, "cannot decode|no sound|damaged"),
        (b"a-0 fLaC", 4, "cannot decode|damaged"),
        (b"x" * 9, 99, "no audio at this place"),
        (b"x" * 9, 10**30, "."),
        (None, 5, "no such audio file"),
    ],
)
def test_what_is_no_recording_is_one_line(tmp_path, content, offset, reason):
    if content is not None:
        (tmp_path / "x.ark").write_bytes(content)
    for use in (audio.probe, audio.read):
        with pytest.raises(DataError, match=reason) as error:
            use(tmp_path / f"x.ark:{offset}")
        assert "\n" not in str(error.value)


def test_a_recording_cut_short_at_the_end_of_its_ark_is_truncated(tmp_path):
    folder = write(tmp_path / "data", "plain")
    os.truncate(folder / "data_wav.ark", (folder / "data_wav.ark").stat().st_size - 3000)
    *whole, last = DataDir.read(folder)
    assert [len(utterance.read(16000)) for utterance in whole] == [8000, 9600]
    with pytest.raises(DataError, match="truncated"):
        last.read(16000)


def test_a_file_of_such_a_name_is_itself(tmp_path):
    soundfile.write(tmp_path / "x.wav", voice(100, 0, 0.5), 16000)
    (tmp_path / "x.wav").rename(tmp_path / "take:5")
    assert len(audio.read(tmp_path / "take:5")[0]) == 8000
    assert audio_ark.file_of(tmp_path / "take:5") == tmp_path / "take:5"
    assert audio_ark.file_of(tmp_path / "take:6") == tmp_path / "take"
