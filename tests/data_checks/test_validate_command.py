"""The command as a user meets it: what it prints, how it ends, what it leaves behind."""

import sys
from pathlib import Path

import processes
import pytest
import soundfile

from sqspeech import cli
from sqspeech.data.data_dir import DataDir
from sqspeech.data.findings import note, warning
from sqspeech.data_checks import recordings
from sqspeech.data_checks.summary import IDS_SHOWN, summary


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, without_processes):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqspeech", "validate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


def spoil(data: Path) -> None:
    (data / "f1-01.wav").unlink()
    (data / "m1-02.wav").unlink()
    (data / "m1-02.wav").write_text("words")
    (data / "spk2utt").unlink()


def test_nothing_wrong_is_one_line(run, data):
    status, out, _ = run("data")
    assert (status, out) == (0, "data: nothing wrong; 6 usable utterances, 0.00 hours, 2 speakers\n")


def test_faults_are_told_errors_first_and_written_in_full(run, data, tmp_path):
    spoil(data)
    status, out, _ = run("data", "--report", "faults.tsv")
    assert status == 1
    assert [line.split(" (")[0] for line in out.splitlines()] == [
        "error: missing audio file",
        "error: undecodable audio",
        "warning: missing spk2utt",
        "data: 3 findings; 4 usable utterances, 0.00 hours, 2 speakers",
    ]
    assert out.startswith("error: missing audio file (1): f1-01; f1-01: no file data/f1-01.wav; remedy: fetch it, or ")
    rows = [line.split("\t") for line in (tmp_path / "faults.tsv").read_text().splitlines()]
    assert rows[0] == ["severity", "kind", "id", "detail", "fix"]
    assert [row[:3] for row in rows[1:]] == [
        ["error", "missing audio file", "f1-01"],
        ["error", "undecodable audio", "m1-02"],
        ["warning", "missing spk2utt", "spk2utt"],
    ]
    assert {len(row) for row in rows} == {5}


def test_the_status_of_warnings(run, data):
    (data / "spk2utt").unlink()
    assert run("data")[0] == 0
    assert run("data", "--strict")[0] == 1


def test_fix_tells_what_it_did_and_ends_with_the_status_of_the_copy(run, data):
    spoil(data)
    (data / "phones.item").touch()
    status, out, _ = run("data", "--fix", "out")
    assert status == 0
    assert out.splitlines()[4:] == [
        "out: the cleaned copy",
        "left out (1): missing audio file",
        "left out (1): undecodable audio",
        "corrected (1): missing spk2utt",
        "not copied: phones.item",
        "out: nothing wrong; 4 usable utterances, 0.00 hours, 2 speakers",
    ]
    assert {u.utt_id for u in DataDir.read(Path("out"))} == {"f1-00", "f1-02", "m1-00", "m1-01"}
    assert not (data / "spk2utt").exists(), "never in place"


def test_fix_keeps_and_tells_what_features_can_deal_with(run, data):
    samples = soundfile.read(data / "f1-01.wav")[0]
    (data / "f1-01.wav").unlink()
    soundfile.write(data / "f1-01.wav", 10 * samples, 16000)
    status, out, _ = run("data", "--fix", "out")
    assert status == 0
    assert "kept (1): clipping\n" in out
    assert run("data", "--fix", "strict", "--strict")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nowhere",), "no such folder"),
        (("data", "--fix", "data"), "exists and is not empty"),
        (("data", "--fix", "/proc/self/out"), "cannot write"),
        (("data", "--report", "/proc/self/out.tsv"), "cannot write"),
    ],
)
def test_failures_are_one_line(run, data, arguments, reason):
    before = sorted(data.parent.rglob("*"))
    status, _, err = run(*arguments)
    assert status == 1
    assert next(line for line in err.splitlines() if line.startswith("error: ")).count(reason) == 1
    assert sorted(data.parent.rglob("*")) == before


def test_nothing_usable_is_one_line(run, data, tmp_path):
    for file in data.glob("*.wav"):
        file.unlink()
    status, _, err = run("data", "--fix", "out")
    assert status == 1
    assert err.splitlines()[-1] == (
        "error: data: nothing usable is left, so that no copy was written; correct the errors first"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_many_ids_are_cut_short():
    many = [warning("fault", f"a-{i:02}", "detail", "fix") for i in range(13)]
    (line,) = summary(many)
    assert line.count("a-") == IDS_SHOWN + 1
    assert "a-09 and 3 more; a-00: detail" in line


def test_what_no_terminal_can_show_is_shown_safely():
    (line,) = summary([note("fault", "a\udcfc", "one\ntwo\tthree", "fix")])
    assert line == r"note: fault (1): a\udcfc; a\udcfc: one two three; remedy: fix"


def test_processes_find_the_same_on_real_speech(speech, tmp_path):
    whole = DataDir.read(speech / "librispeech28")
    whole.subset([utterance.utt_id for utterance in whole][::40]).write(tmp_path / "data")
    broken = tmp_path / "broken.flac"
    rows = (tmp_path / "data/wav.scp").read_text().splitlines()
    utt_id, path = rows[1].split()
    broken.write_bytes(Path(path).read_bytes()[: Path(path).stat().st_size // 2])
    (tmp_path / "data/wav.scp").write_text("".join(f"{row}\n" for row in [rows[0], f"{utt_id} {broken}", *rows[2:]]))
    status, output = processes.run(["validate", tmp_path / "data", "--fix", tmp_path / "out", "--jobs", 2], tmp_path)
    assert status == 0, output
    assert f"error: truncated audio (1): {utt_id}; " in output
    assert f"{tmp_path / 'out'}: nothing wrong; {len(rows) - 1} usable utterances" in output


def test_a_file_that_kills_its_process_is_a_finding(run, data, monkeypatch):
    def killed_by_one(function, items, workers, *, died):
        return (died(item) if item.path.name == "f1-01.wav" else function(item) for item in items)

    monkeypatch.setattr(recordings, "map_in_order", killed_by_one)
    status, out, _ = run("data")
    assert status == 1
    assert out.startswith("error: undecodable audio (1): f1-01; ")
    assert "5 usable utterances" in out
