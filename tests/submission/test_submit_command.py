"""The commands, as they are typed."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from sqspeech import cli

WHO = ("--author", "A. Uthor", "--affiliation", "Z")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqspeech", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


def test_two_languages_into_one_tree(run, made, experiment):
    submit = ("submit", experiment.checkpoint, made.data["english"], "-o", "s", *WHO, "--code", "https://example.org")
    status, out, _ = run(*submit, "--auxiliary", "continuous")
    assert (status, out.splitlines()[-1]) == (0, "s.zip: sound")
    assert "note: surprise is not there" in out
    submit = (*submit[:2], made.data["surprise"], *submit[3:], "--language", "surprise", "--auxiliary", "continuous")
    assert run(*submit)[:2] == (0, "s.zip: sound\n")
    with zipfile.ZipFile("s.zip") as archive:
        files = {str(path.relative_to("s")) for path in Path("s").rglob("*") if path.is_file()}
        assert set(archive.namelist()) == files
    assert len(files) == 3 + 2 * 2 * 8 + 4 + 2
    assert not list(Path().rglob(".tmp-*"))
    year = yaml.safe_load(Path("s/2019/metadata.yaml").read_text())
    assert "8 codewords of 4 dimensions, 50 units a second, 6 steps; vocoder world" in year["system description"]
    assert year["auxiliary1 description"] == "the encoder's output before quantisation"
    data = ("--english", made.data["english"], "--surprise", made.data["surprise"])
    assert run("submit-check", "s", *data) == (0, "s: sound\n", "")
    Path("s/2019/code/README.txt").unlink()
    assert "no archive was written (s.zip is of an earlier tree); correct" in run("submit-check", "s", "--archive")[2]


def test_a_check_names_everything_and_ends_with_one(run, sound):
    (sound.root / "2019/english/test/f1-04.txt").unlink()
    (sound.root / "2019/english/test/f2_f1-04.wav").write_bytes(b"")
    status, out, err = run("submit-check", sound.root, "--english", sound.data["english"], "--archive")
    assert status == 1
    assert len(out.splitlines()) == 2
    assert "f1-04.txt: is missing; write it" in out
    assert "f2_f1-04.wav: is no WAV" in out
    assert len(err.splitlines()) == 1
    assert "violations of the challenge's rules: 2" in err
    assert not sound.root.with_name("submission.zip").exists()


def test_a_bad_recording_is_named_and_the_rest_is_written(run, made, experiment, tmp_path):
    data = Path(shutil.copytree(made.data["english"], tmp_path / "data"))
    Path("empty.wav").touch()
    table = (data / "test/wav.scp").read_text().splitlines()
    table[0] = f"f1-04 {tmp_path / 'empty.wav'}"
    (data / "test/wav.scp").write_text("".join(f"{line}\n" for line in table))
    status, out, err = run("submit", experiment.checkpoint, data, "-o", "s", *WHO)
    assert status == 1
    assert "skipped f1-04: " in err
    assert [line for line in out.splitlines() if "f1-04.txt" in line]
    assert len(list(Path("s/2019/english/test").glob("*.txt"))) == 7
    assert not Path("s.zip").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--auxiliary", "continuous") * 3, "given 3 times"),
        (("--distance", "dtw_kl"), "add --one-hot"),
        (("--synthesis", "none"), "none: cannot read the list"),
    ],
)
def test_what_makes_no_sense_writes_nothing(run, made, experiment, options, what):
    status, _, err = run("submit", experiment.checkpoint, made.data["english"], "-o", "s", *WHO, *options)
    assert status == 1
    assert what in err
    assert len(err.splitlines()) == 1
    assert not list(Path().iterdir())


def test_data_that_were_not_prepared(run, experiment):
    status, _, err = run("submit", experiment.checkpoint, "nowhere", "-o", "s", *WHO)
    assert status == 1
    assert "nowhere/test/wav.scp: no such file" in err


def test_no_submission(run):
    status, out, _ = run("submit-check", "nowhere")
    assert (status, out) == (1, "nowhere: no such folder; check the path\n")
