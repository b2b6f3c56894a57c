"""The command decode: units on disk to speech, in every format, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile
from commands import run
from corpus import voice

from sqspeech.errors import SqspeechError
from sqspeech.units import FORMATS

pytestmark = pytest.mark.usefixtures("short_griffin_lim")
WITH_DURATIONS = [name for name in FORMATS.names() if "durations" in FORMATS[name].HOLDS]


@pytest.fixture(scope="module")
def root(experiment, tmp_path_factory) -> Path:
    """Two recordings, their units in every format, and their conversions."""
    root = tmp_path_factory.mktemp("decoding")
    for name, sentence in (("a", 0), ("b", 1)):
        soundfile.write(root / f"{name}.wav", 0.5 * voice(150.0, sentence)[: 12000 + 1000 * sentence], 16000)
    inputs = root / "a.wav", root / "b.wav"
    formats = [option for name in FORMATS.names() for option in ("--format", name)]
    deduplicated = [option for name in WITH_DURATIONS for option in ("--format", name)]
    run("units", experiment.checkpoint, *inputs, "-o", root / "units", *formats)
    run("units", experiment.checkpoint, *inputs, "-o", root / "runs", "--dedup", "--durations", *deduplicated)
    run("units", experiment.checkpoint, *inputs, "-o", root / "lost", "--dedup", "--format", "kaldi")
    run("convert", experiment.checkpoint, *inputs, "--to", "f1", "-o", root / "wav", "--vocoder", "griffin_lim")
    return root


@pytest.mark.parametrize(
    "folder", [*(f"units/{name}" for name in FORMATS.names()), *(f"runs/{name}" for name in WITH_DURATIONS)]
)
def test_units_of_every_format_are_decoded_to_what_their_recordings_are_converted_to(
    experiment, root, tmp_path, folder
):
    printed = run("decode", experiment.checkpoint, root / folder, "--to", "f1", "-o", tmp_path / "out")
    assert "2 recordings" in printed
    for name in "ab":
        found, wanted = (path / f"{name}-to-f1.wav" for path in (tmp_path / "out", root / "wav"))
        assert found.read_bytes() == wanted.read_bytes()
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["vocoder"] == "griffin_lim"
    assert [row["output"] for row in manifest["recordings"]] == ["a-to-f1.wav", "b-to-f1.wav"]


def test_a_list_names_the_targets(experiment, root, tmp_path):
    (tmp_path / "list").write_text("b m1\nb f1:1,m1:1\n")
    run("decode", experiment.checkpoint, root / "units", "--list", tmp_path / "list", "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == ["b-to-f1_1_m1_1.wav", "b-to-m1.wav"]


def test_several_processes_write_the_same_files(experiment, root, tmp_path):
    run("decode", experiment.checkpoint, root / "units", "--to", "f1", "-o", tmp_path / "out", "--jobs", 2)
    assert (tmp_path / "out/a-to-f1.wav").read_bytes() == (root / "wav/a-to-f1.wav").read_bytes()


def damaged(root: Path, folder: Path, what: str) -> Path:
    """Units with one fault."""
    shutil.copytree(
        root / ("lost/kaldi" if what == "runs" else "units/npz" if what == "cut" else "units/kaldi"), folder
    )
    info = json.loads((folder / "info.json").read_text())
    changed = {"digest": {"checkpoint": "0123456789abcdef"}, "rate": {"frame_rate": 25.0}}.get(what, {})
    (folder / "info.json").write_text(json.dumps(info | changed))
    if what == "cut":
        (folder / "units.npz").write_bytes((folder / "units.npz").read_bytes()[:-30])
    if what == "number":
        lines = (folder / "units.txt").read_text().splitlines()
        (folder / "units.txt").write_text("\n".join([f"{lines[0]} 8", *lines[1:]]) + "\n")
    if what == "length":
        lines = (folder / "units.txt").read_text().splitlines()
        (folder / "units.txt").write_text("\n".join(line.rpartition(" ")[0] for line in lines) + "\n")
    return folder


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("digest", (), "units are of the checkpoint 0123456789abcdef, this one is"),
        ("rate", (), "25 units a second from 0.005 s, but the model has 50"),
        ("runs", (), "deduplicated without durations"),
        ("number", (), "a has units from . to 8 of a codebook of 8"),
        ("length", (), "no usable input; the first of 2, a: 36 units, but a recording of 12000 samples has 37"),
        ("cut", (), "units.npz: damaged"),
        ("", ("--vocoder", "world"), "the vocoder world needs a pitch, which units do not hold; .* griffin_lim"),
        ("", ("--vocoder", "wrld"), "no vocoder 'wrld'; the nearest is world"),
        ("", ("--to", "f9"), "no speaker f9; the nearest"),
        ("", ("--to", "source"), "--to source: units do not hold their speaker"),
    ],
)
def test_a_fault_is_one_line_and_nothing_is_written(experiment, root, tmp_path, what, options, message):
    units = damaged(root, tmp_path / "units", what)
    with pytest.raises(SqspeechError, match=message) as caught:
        run("decode", experiment.checkpoint, units, "--to", "f1", *options, "-o", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
