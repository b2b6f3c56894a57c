"""Recordings that cannot be used, alone and among good ones."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

BAD_AUDIO = {
    "missing.wav": "no such file",
    "empty.wav": "0 bytes",
    "text.wav": "cannot decode",
    "truncated.flac": "truncated|cannot decode",
    "constant.wav": "no sound",
    "short.wav": "too short",
    "nan.wav": "NaN or infinite",
}


def write_bad_audio(folder: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 48000)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("words\n" * 100)
    soundfile.write(folder / "truncated.flac", noise, 16000)
    os.truncate(folder / "truncated.flac", 30000)
    soundfile.write(folder / "constant.wav", np.full(16000, 0.5), 16000)
    soundfile.write(folder / "short.wav", noise[:100], 16000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "good.wav", noise[:16000] / 2, 16000)


@pytest.mark.parametrize("command", [("units",), ("convert", "--to", "f1")], ids=lambda c: c[0])
@pytest.mark.parametrize("name", BAD_AUDIO)
def test_a_bad_recording_alone_is_an_error_and_leaves_nothing(run, experiment, tmp_path, command, name):
    write_bad_audio(tmp_path)
    before = set(tmp_path.rglob("*"))
    outcome = run(command[0], experiment.checkpoint, name, *command[1:], "-o", "out")
    assert outcome.status == 1
    assert any(reason in outcome.error for reason in BAD_AUDIO[name].split("|"))
    assert Path(name).stem in outcome.error
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", [("units",), ("convert", "--to", "f1")], ids=lambda c: c[0])
def test_bad_recordings_are_named_and_the_good_one_comes_through(run, experiment, tmp_path, command):
    (tmp_path / "in").mkdir()
    write_bad_audio(tmp_path / "in")
    outcome = run(command[0], experiment.checkpoint, "in", *command[1:], "-o", "out")
    assert outcome.status == 0
    skipped = {line.split(":")[0].removeprefix("skipped ") for line in outcome.err.splitlines() if "skipped" in line}
    assert skipped == {Path(name).stem for name in BAD_AUDIO} - {"missing"}
    assert "good" in (
        Path("out/kaldi/units.txt").read_text() if command[0] == "units" else Path("out/manifest.tsv").read_text()
    )
    strict = run(command[0], experiment.checkpoint, "in", *command[1:], "-o", "out2", "--strict")
    assert strict.status == 1
    assert "6 inputs were skipped" in strict.error
    assert Path("out2").exists(), "what was good is kept"
