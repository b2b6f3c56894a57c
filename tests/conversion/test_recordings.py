"""Many recordings to many voices: what is asked for, what is written, what is refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import run
from corpus import voice
from full_disk import space_left

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.codec.synthesis import Synthesizer
from sqspeech.conversion import ConversionRequest, Converter, computation, convert_all, plan
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError, SqspeechError
from sqspeech.vocoders.griffin_lim import GriffinLim

ANY = Utterance(utt_id="x", spk_id="x", path=Path("x.wav"))


@pytest.fixture(scope="module")
def converter(experiment) -> Converter:
    trained = TrainedModel.load(experiment.checkpoint)
    return Converter(trained, GriffinLim(trained.config.features, iterations=2))


def test_all_inputs_to_all_targets_with_a_manifest(converter, experiment, tmp_path):
    data = DataDir.read(experiment.root / "corpus/test").subset(["f1-04", "m2-05"])
    count, failures = convert_all(converter, plan(list(data), ["source", "f2"], None, []), tmp_path)
    assert (count, failures.reasons) == (4, {})
    with (tmp_path / "manifest.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["utt_id"], row["speaker"], row["target"]) for row in rows] == [
        ("f1-04", "f1", "source"),
        ("f1-04", "f1", "f2"),
        ("m2-05", "m2", "source"),
        ("m2-05", "m2", "f2"),
    ]
    for row in rows:
        assert len(audio.read(tmp_path / row["output"])[0]) == 12800
    about = json.loads((tmp_path / "manifest.json").read_text())
    assert (about["vocoder"], about["pitch"], about["checkpoint"]) == (
        "griffin_lim",
        "target",
        converter.trained.digest,
    )
    assert [entry["output"] for entry in about["recordings"]] == [row["output"] for row in rows]
    own = converter.convert(data.utterances[0].read(16000), 16000, to="f1")[0]
    np.testing.assert_allclose(audio.read(tmp_path / rows[0]["output"])[0], own, atol=1 / 16384)


def test_an_unknown_target_is_refused_before_any_work(converter, tmp_path):
    with pytest.raises(DataError, match="no speaker f9; the nearest of its 4 are"):
        convert_all(converter, [ConversionRequest(utterance=ANY, targets=("f1", "f9"))], tmp_path)
    assert not list(tmp_path.iterdir())


def test_inputs_may_be_files_folders_and_data_directories(experiment, tmp_path):
    root = experiment.root / "corpus/test"
    (tmp_path / "sub").mkdir()
    for name in ("a b.wav", "sub/x.flac", "sub/notes.txt"):
        (tmp_path / name).touch()
    named = {u.utt_id: u for u in read_inputs([root, tmp_path, root / "../train/f1-00.wav"])}
    assert named.keys() == {u.utt_id for u in DataDir.read(root)} | {"a_b", "sub-x", "f1-00"}
    assert named["f1-04"].spk_id == "f1"


def test_inputs_that_are_not_there_or_clash_are_named(experiment, tmp_path):
    path = experiment.root / "corpus/test/f1-04.wav"
    other = tmp_path / "f1-04.wav"
    other.touch()
    with pytest.raises(DataError, match="are both named f1-04; rename one"):
        read_inputs([path, other])
    with pytest.raises(DataError, match="no such file or folder"):
        read_inputs([tmp_path / "nothing.wav"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio in this folder"):
        read_inputs([tmp_path / "empty"])


def test_all_is_every_speaker_and_a_target_counts_once():
    (job,) = plan([ANY], ["f1", "all", "source"], None, ["f1", "m1"])
    assert job.targets == ("f1", "m1", "source")


def test_a_list_names_utterances_speakers_and_targets(tmp_path):
    utterances = [Utterance(utt_id=name, spk_id=name, path=Path(f"{name}.wav")) for name in ("a", "b")]
    (tmp_path / "list").write_text("\ufeffa f1 m1\r\nb - f1:1,m1:1\r\n\r\na f1 source\r\n")
    jobs = plan(utterances, [], tmp_path / "list", [])
    assert [(job.utterance.utt_id, job.utterance.spk_id, job.targets) for job in jobs] == [
        ("a", "f1", ("m1",)),
        ("b", "b", ("f1:1,m1:1",)),
        ("a", "f1", ("source",)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a f1\n", "list:1: 2 fields, expected three"), ("a f1 m1\nc f1 m1\n", "list:2: no utterance c among the inputs")],
)
def test_a_malformed_list_is_named_with_its_line(tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(DataError, match=message):
        plan([Utterance(utt_id="a", spk_id="a", path=Path("a.wav"))], [], tmp_path / "list", [])


@pytest.mark.parametrize(("to", "jobs_list"), [([], None), (["f1"], Path("list"))])
def test_targets_come_from_one_place(to, jobs_list):
    with pytest.raises(DataError, match="with --to, or .* with --list; not both"):
        plan([ANY], to, jobs_list, [])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([("a", "f1:1,m1:1"), ("a", "f1_1_m1_1")], "a to f1:1,m1:1 and a to f1_1_m1_1 would be the same file"),
        ([("a-to-f1", "m1"), ("b", "m1"), ("a", "f1-to-m1")], "a-to-f1 to m1 and a to f1-to-m1 would be"),
        ([("a", "f1"), ("a", "f1")], "a to f1, asked for twice, would be the same file"),
    ],
)
def test_results_that_would_be_one_file_are_refused_before_any_work(converter, tmp_path, wanted, message):
    soundfile.write(tmp_path / "a.wav", voice(120.0, 0), 16000)
    jobs = [
        ConversionRequest(utterance=Utterance(utt_id=name, spk_id=name, path=tmp_path / "a.wav"), targets=(target,))
        for name, target in wanted
    ]
    with pytest.raises(DataError, match=f"{message}.*; leave one out or write it to another folder"):
        convert_all(converter, jobs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_patterns_are_inputs(tmp_path):
    for name in ("a.wav", "b.wav", "c.flac", "deep/er/d.wav", "odd[1].wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(pattern: str) -> list[str]:
        return [utterance.utt_id for utterance in read_inputs([tmp_path / pattern])]

    assert names("[ab].wav") == ["a", "b"]
    assert names("?.flac") == ["c"]
    assert names("**/d.wav") == ["d"]
    assert names("odd[1].wav") == ["odd[1]"], "a file that exists is no pattern"
    with pytest.raises(DataError, match="no such file or folder"):
        names("*.mp3")


def test_the_recording_itself_is_not_overwritten(converter, tmp_path):
    path = tmp_path / "a-to-f1.wav"
    soundfile.write(path, voice(120.0, 0), 16000)
    before = path.read_bytes()
    job = ConversionRequest(utterance=Utterance(utt_id="a", spk_id="a", path=path), targets=("f1",))
    count, failures = convert_all(converter, [job], tmp_path)
    assert count == 0
    assert "is the recording that is to be converted; choose another folder" in failures.reasons["a"]
    assert path.read_bytes() == before


def test_a_bad_recording_among_good_ones_is_reported_and_leaves_nothing(converter, tmp_path):
    for name, samples in (("good", voice(120.0, 0)), ("short", np.zeros(900, np.float32)), ("fine", voice(200.0, 1))):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    (tmp_path / "torn.wav").write_bytes((tmp_path / "good.wav").read_bytes()[:3000])
    utterances = read_inputs([tmp_path])
    count, failures = convert_all(converter, plan(utterances, ["f1"], None, []), tmp_path / "out")
    assert (count, list(failures.reasons)) == (2, ["short", "torn"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "good-to-f1.wav", "fine-to-f1.wav", "manifest.tsv", "manifest.json",
    }  # fmt: skip


def test_mixtures_have_names_that_files_may_have_and_channels_are_noted(converter, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([voice(120.0, 0)] * 2, axis=1), 16000)
    convert_all(converter, plan(read_inputs([tmp_path / "a.wav"]), ["f1:1,m1:2"], None, []), tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out/manifest.json").read_text())["recordings"]
    assert entry["output"] == "a-to-f1_1_m1_2.wav"
    assert entry["note"] == "2 channels, mixed down"
    assert (tmp_path / "out" / entry["output"]).exists()


@pytest.mark.parametrize(
    ("seconds", "limit"), [(0.5, 100_000), (2.0, 100_000), (600.0, 50_000)], ids=["source", "voices", "wav"]
)
def test_a_disk_that_is_full_leaves_nothing(converter, tmp_path, monkeypatch, seconds, limit):
    """A recording of two seconds, of which what is on disk takes four bytes a sample, and the result two."""
    monkeypatch.setattr(computation, "LONG", seconds)
    soundfile.write(tmp_path / "a.wav", voice(120.0, 0, 2.0), 16000)
    jobs = plan(read_inputs([tmp_path / "a.wav"]), ["f1", "m1"], None, [])
    with space_left(limit), pytest.raises(SqspeechError, match=r"cannot write \(File too large\); free some space"):
        convert_all(converter, jobs, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_interruption_leaves_nothing(converter, tmp_path, monkeypatch):
    monkeypatch.setattr(computation, "LONG", 1.0)
    soundfile.write(tmp_path / "a.wav", voice(120.0, 0, 2.0), 16000)

    def interrupted(*_: object) -> None:
        assert list((tmp_path / "out").iterdir()), "it is under way"
        raise KeyboardInterrupt

    monkeypatch.setattr(Synthesizer, "_vocode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_all(converter, plan(read_inputs([tmp_path / "a.wav"]), ["f1"], None, []), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_stays_on_disk_is_converted_alike(converter, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", voice(120.0, 0, 3.0), 16000)
    jobs = plan(read_inputs([tmp_path / "a.wav"]), ["f1"], None, [])
    convert_all(converter, jobs, tmp_path / "memory")
    monkeypatch.setattr(computation, "LONG", 1.0)
    convert_all(converter, jobs, tmp_path / "disk")
    one, other = ((tmp_path / folder / "a-to-f1.wav").read_bytes() for folder in ("memory", "disk"))
    assert one == other
    assert not list(tmp_path.rglob(".tmp-*"))


def hostile(kind: str) -> tuple[np.ndarray, int]:
    """A recording as the world has them."""
    samples = voice(120.0, 0, 2.0)
    return {
        "a tenth of a second": (samples[:1600], 16000),
        "silence": (np.zeros(16000, np.float32), 16000),
        "clipped": (np.clip(20 * samples, -1, 1), 16000),
        "8 kHz": (samples[::2], 8000),
        "offset": (0.5 * samples + 0.4, 16000),
        "96 kHz": (np.repeat(samples, 6), 96000),
        "faint": (1e-4 * samples, 16000),
    }[kind]


@pytest.mark.parametrize("vocoder", ["world", "griffin_lim"])
@pytest.mark.parametrize("kind", ["a tenth of a second", "silence", "clipped", "8 kHz", "offset", "96 kHz", "faint"])
def test_hostile_recordings_are_converted(experiment, tmp_path, kind, vocoder):
    samples, rate = hostile(kind)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    converter = Converter.load(experiment.checkpoint, vocoder=vocoder)
    count, _ = convert_all(converter, plan(read_inputs([tmp_path / "a.wav"]), ["f1"], None, []), tmp_path / "out")
    assert count == 1
    converted, converted_rate = audio.read(tmp_path / "out/a-to-f1.wav")
    assert converted_rate == 16000
    assert len(converted) == pytest.approx(len(samples) * 16000 / rate, abs=1)
    assert np.square(converted).mean() <= 1.1 * np.square(samples).mean() + 1e-9


def test_a_standard_output_that_is_full_is_one_line(experiment, tmp_path):
    soundfile.write(tmp_path / "a.wav", voice(120.0, 0), 16000)
    command = [sys.executable, "-m", "sqspeech.cli", "convert", experiment.checkpoint, "a.wav", "--to", "f1", "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("converting")]
    assert line.startswith("error: -o -: cannot write (No space left on device)")


def test_standard_input_becomes_standard_output(experiment, tmp_path):
    soundfile.write(tmp_path / "a.flac", voice(120.0, 0), 16000)
    command = ["convert", str(experiment.checkpoint), "-", "-o", "-", "--to", "f1"]
    done = subprocess.run(
        [sys.executable, "-m", "sqspeech.cli", *command],
        input=(tmp_path / "a.flac").read_bytes(),
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "b.wav").write_bytes(done.stdout)
    assert len(audio.read(tmp_path / "b.wav")[0]) == 12800
    with pytest.raises(SqspeechError, match="standard output takes one recording for one speaker"):
        run(*command, "--to", "m1")
