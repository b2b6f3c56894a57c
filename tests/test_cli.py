"""The command line as a user meets it: what it prints, how it ends, and what it leaves behind."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus import CONFIG, write_corpus
from typer.main import get_command

from sqspeech import cli

OPTIONS = {
    "features": {"--config", "--set", "--jobs", "--cluster", "--device", "--shard", "--strict"},
    "validate": {"--fix", "--jobs", "--cluster", "--report", "--strict"},
    "train": {"--config", "--set", "--device", "--residency", "--on-nan", "--eager", "--profile"},
    "vocoder-data": {"--config", "--set", "--jobs", "--cluster", "--strict"},
    "attach-vocoder": {"--output", "-o"},
    "units": {
        "--output",
        "-o",
        "--format",
        "--dedup",
        "--durations",
        "--vectors",
        "--soft",
        "--continuous",
        "--smooth",
        "--stages",
        "--jobs",
        "--cluster",
        "--shard",
        "--precision",
        "--device",
        "--strict",
    },
    "export": {"--output", "-o", "--input", "--stages"},
    "convert": {
        "--to",
        "--list",
        "--vocoder",
        "--pitch",
        "--stages",
        "--output",
        "-o",
        "--jobs",
        "--cluster",
        "--device",
        "--strict",
    },
    "decode": {"--to", "--list", "--vocoder", "--output", "-o", "--jobs", "--cluster", "--device", "--strict"},
    "evaluate": {
        "--output",
        "-o",
        "--item",
        "--parallel",
        "--conversion",
        "--train",
        "--judge",
        "--recogniser",
        "--where-lost",
        "--stages",
        "--judgements",
        "--versa",
        "--invariance",
        "--vocoder",
        "--device",
        "--strict",
        "--jobs",
        "--cluster",
    },
    "evaluate-units": {"--data", "--output", "-o", "--item", "--alignment", "--against", "--prior", "--pictures"},
    "word-curve": {"--output", "-o"},
    "enroll": {"--name", "--output", "-o", "--device", "--strict"},
    "speakers": set(),
    "generate": {
        "--output",
        "-o",
        "--to",
        "--prompt",
        "--seconds",
        "--count",
        "--temperature",
        "--top-p",
        "--seed",
        "--vocoder",
        "--device",
        "--strict",
    },
    "score": {"--output", "-o", "--device"},
    "serve": {
        "--prior",
        "--output",
        "-o",
        "--keep",
        "--limit",
        "--host",
        "--port",
        "--open",
        "--jobs",
        "--device",
    },
    "submit": {
        "--output",
        "-o",
        "--language",
        "--synthesis",
        "--author",
        "--affiliation",
        "--description",
        "--code",
        "--distance",
        "--one-hot",
        "--auxiliary",
        "--parallel-train",
        "--external-data",
        "--vocoder",
        "--device",
    },
    "submit-check": {"--english", "--surprise", "--synthesis", "--archive"},
    "report": {"--output", "-o"},
    "doctor": set(),
    "recipes": set(),
}


class Outcome:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def error(self) -> str:
        """The one line of the error, beside what was said of skipped inputs."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert self.err.rstrip().endswith(lines[0]), "the error is the last thing said, in one line"
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sqspeech", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        return Outcome(status, *capsys.readouterr())

    return run


def test_the_options_are_frozen():
    """A change here is a change for every script that calls the command line."""
    commands = get_command(cli.app).commands
    found = {
        name: {option for p in command.params for option in p.opts if option.startswith("-")} - {"--help"}
        for name, command in commands.items()
    }
    assert found == OPTIONS


def test_help_answers_without_torch():
    help_only = "from sqspeech.cli import app; app(['--help'], standalone_mode=False)"
    code = f"import sys; {help_only}; print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert process.stdout.endswith("False\n")


def test_usage_errors_end_with_two(run):
    assert run("convert").status == 2
    assert run("units", "x", "--fromat", "npz").status == 2


def test_version(run):
    from sqspeech import __version__

    assert run("--version").out.strip() == __version__


def test_doctor_finds_this_installation_sound(run):
    outcome = run("doctor")
    assert outcome.status == 0
    assert "torch devices: cpu" in outcome.out
    assert "MISSING" not in outcome.out
    assert "ok      extra eval" in outcome.out


def test_recipes_are_listed_and_copied(run, tmp_path):
    listed = [line.split()[0] for line in run("recipes").out.splitlines()]
    assert listed == sorted(listed)
    assert {"librispeech", "mini", "vctk", "zerospeech2019"} <= set(listed)
    assert run("recipes", "mini", "mine").status == 0
    copied = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"mine/stages.sh", "mine/mini/run.sh", "mine/mini/conf/demo.yaml"} <= copied
    assert not [path for path in copied if path.startswith(("mine/mini/exp/", "mine/mini/data/", "mine/mini/dump/"))]
    dry = subprocess.run(["mine/mini/run.sh", "--dry-run"], check=True, capture_output=True, text=True)
    assert dry.stdout.startswith("# stage 1: Data preparation\npython -m data_prep.mini data\n")


def test_a_recipe_of_the_users_is_not_overwritten(run):
    Path("recipes/mini").mkdir(parents=True)
    outcome = run("recipes", "mini")
    assert outcome.status == 1
    assert "recipes/mini: exists already" in outcome.error
    assert not list(Path("recipes").glob("*/*"))


def test_an_unknown_recipe_is_answered_with_those_there_are(run):
    outcome = run("recipes", "timit")
    assert outcome.status == 1
    assert "timit: no such recipe; there are " in outcome.error


def test_the_whole_pipeline(run, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    for name, sentences in (("train", range(3)), ("dev", range(3, 4)), ("test", range(4, 6))):
        write_corpus(tmp_path / "data" / name, sentences)
    for name in ("train", "dev"):
        assert run("features", f"data/{name}", f"dump/{name}", "--config", "c.yaml").status == 0
    assert "steps 0 to 6" in run("train", "dump", "exp", "--config", "c.yaml").out
    assert "steps 6 to 8" in run("train", "dump", "exp", "--config", "c.yaml", "--set", "training.steps=8").out
    assert run("speakers", "exp/best.ckpt").out.split() == ["f1", "f2", "m1", "m2"]
    assert run("units", "exp/best.ckpt", "data/test", "-o", "exp/units").out == (
        "exp/units: 312 units of 8 utterances\n"
    )
    assert run("export", "exp/best.ckpt", "-o", "exp/model.onnx").out == (
        "exp/model.onnx: from samples to codes, vectors and continuous, in ONNX\n"
    )
    assert (
        run("convert", "exp/best.ckpt", "data/test", "--to", "source", "--to", "f1", "-o", "exp/conversion").status == 0
    )
    assert len(list(Path("exp/conversion").glob("*.wav"))) == 16
    assert run("evaluate", "exp/best.ckpt", "data/test", "-o", "exp/metrics.json", "--parallel").status == 0
    outcome = run("report", "exp", "-o", "exp/report.html")
    assert "Reconstruction error" in outcome.out
    assert "exp/report.html" in outcome.out
    assert not list(tmp_path.rglob(".tmp-*"))


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


def test_an_unknown_speaker_is_answered_with_the_nearest(run, experiment):
    outcome = run("convert", experiment.checkpoint, experiment.root / "corpus/test", "--to", "m3", "-o", "out")
    assert outcome.status == 1
    assert "no speaker m3; the nearest of its 4 are m" in outcome.error
    assert not Path("out").exists()


def test_an_unknown_key_is_answered_with_the_nearest(run, experiment):
    arguments = ["features", experiment.root / "corpus/dev", "dump", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "features.hop_lenght=80")
    assert outcome.status == 1
    assert "unknown key features.hop_lenght; the nearest one is features.hop_length" in outcome.error
    assert not Path("dump").exists()


def test_features_that_do_not_fit_the_configuration(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "features.n_mels=40")
    assert outcome.status == 1
    assert "made with features.n_mels = 80, but 40 is wanted; run `sqspeech features`" in outcome.error
    assert not Path("exp").exists()


def test_what_is_no_checkpoint(run, experiment):
    for path, reason in ((experiment.root / "c.yaml", "no checkpoint"), ("none.ckpt", "No such file")):
        outcome = run("speakers", path)
        assert outcome.status == 1
        assert reason in outcome.error


def test_units_of_a_model_without_a_codebook(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", "vae.yaml", "--set", "training.steps=1"]
    without = CONFIG.replace("{codebook_size: 8, codebook_dim: 4}", "{name: gaussian_vae, latent_dim: 4}")
    Path("vae.yaml").write_text(without)
    assert run(*arguments).status == 0
    outcome = run("units", "exp/best.ckpt", experiment.root / "corpus/test", "-o", "u.txt")
    assert outcome.status == 1
    assert "the quantizer gaussian_vae has no codebook and so no units" in outcome.error
    assert not Path("u.txt").exists()


def test_utterances_shorter_than_a_crop(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "crops.frames=80")
    assert outcome.status == 1
    assert "no utterance reaches the 82 frames of a crop with its context (the longest of 12 has 81)" in outcome.error


def test_an_unknown_device(run, experiment):
    outcome = run("units", experiment.checkpoint, experiment.root / "corpus/test", "-o", "u", "--device", "cuda:99")
    assert outcome.status == 1
    assert "--device cuda:99" in outcome.error


def unwritable(tmp_path: Path) -> Path:
    """A folder that refuses even root, who may write where permissions forbid it."""
    if os.geteuid():
        folder = tmp_path / "read-only"
        folder.mkdir(mode=0o500)
        return folder
    return Path("/proc/self")


def outputs(folder: Path) -> dict[str, list[object]]:
    return {
        "features": ["{root}/corpus/dev", folder / "dump", "--config", "{root}/c.yaml"],
        "train": ["{root}/dump", folder / "exp", "--config", "{root}/c.yaml"],
        "units": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "-o", folder / "u"],
        "export": ["{root}/exp/best.ckpt", "-o", folder / "m.onnx"],
        "convert": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "--to", "f1", "-o", folder / "wav"],
        "evaluate": ["{root}/exp/best.ckpt", "{root}/corpus/dev", "-o", folder / "m.json"],
        "report": ["{root}/exp", "-o", folder / "r.html"],
    }


def test_an_interruption_is_said(run, experiment, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sqspeech.units.extract_corpus", interrupted)
    outcome = run("units", experiment.checkpoint, experiment.root / "corpus/dev", "-o", tmp_path / "u")
    assert outcome.status == 130
    assert outcome.err == "interrupted; run the same command to go on\n"


def test_a_closed_standard_input_is_one_line(run, experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    outcome = run("units", experiment.checkpoint, "-", "-o", tmp_path / "u")
    assert outcome.status == 1
    assert "standard input is closed" in outcome.error


@pytest.mark.parametrize("command", outputs(Path()))
def test_a_folder_that_cannot_be_written(run, experiment, tmp_path, command):
    arguments = [str(a).format(root=experiment.root) for a in outputs(unwritable(tmp_path))[command]]
    outcome = run(command, *arguments)
    assert outcome.status == 1
    assert "cannot write" in outcome.error


@pytest.mark.parametrize("command", outputs(Path()))
def test_a_full_disk(experiment, tmp_path, command):
    """The largest file a process may write stands for the space that is left."""
    shutil.copytree(experiment.root / "exp", tmp_path / "exp") if command == "report" else None
    arguments = [str(a).format(root=experiment.root) for a in outputs(tmp_path / "out")[command]]
    limit = 1 if command in ("units", "evaluate") else 4000
    process = subprocess.run(
        [sys.executable, "-m", "sqspeech.cli", command, *arguments],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1, process.stderr
    last = process.stderr.rstrip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "cannot write (File too large); free some space" in last
    left = [
        p.name
        for p in tmp_path.rglob("*")
        if p.is_file() and p.suffix in {".txt", ".wav", ".json", ".html", ".ckpt", ".onnx"}
    ]
    assert not [
        name for name in left if name not in {p.name for p in (tmp_path / "exp").rglob("*")} and name != "features.json"
    ]
