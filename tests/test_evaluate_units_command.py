"""Command `sqspeech evaluate-units`, with units in memory in place of units on disk."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus import write_corpus

import sqspeech.units
from sqspeech import cli
from sqspeech.data.data_dir import DataDir
from sqspeech.units import UnitInfo, Units, UnitSet


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = DataDir.read(write_corpus(tmp_path / "data"))
    random = np.random.default_rng(0)
    info = UnitInfo(frame_rate=50.0, offset=0.005, codebook_size=8, checkpoint="0123")
    units = UnitSet(info=info, units={u.utt_id: Units(codes=random.integers(0, 8, 39)) for u in data})
    monkeypatch.setattr("sqspeech.units.read", lambda path: units)

    Path("a.ctm").write_text("f1-00 1 0.0 0.4 A\nf1-00 1 0.4 0.4 B\n")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqspeech", "evaluate-units", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


def test_metrics_table_and_pictures(run) -> None:
    status, out, _ = run(
        "x/units", "y/units", "--data", "data", "--alignment", "a.ctm", "-o", "o/m.json", "--pictures", "o"
    )
    assert status == 0
    assert set(json.loads(Path("o/m.json").read_text())["systems"]) == {"x/units", "y/units"}
    assert sorted(path.name for path in Path("o").iterdir()) == [
        "m.json",
        "phones-x-units.png",
        "phones-y-units.png",
        "trade.png",
    ]
    assert "x/units" in out.splitlines()[1]
    assert out.endswith("f1-01, f1-02, f2-00, ...)\no/m.json: 12 utterances, 10 s\n")


def test_a_bad_input_is_one_line_and_leaves_nothing(run) -> None:
    status, out, err = run("x", "--data", "data", "--alignment", "none.ctm", "-o", "o/m.json", "--pictures", "o")
    assert (status, out) == (1, "")
    assert err.startswith("error: none.ctm: cannot read the alignment")
    assert err.count("\n") == 1
    assert not Path("o").exists()


def test_seeds_of_two_test_sets(run, monkeypatch) -> None:
    asked: list[str] = []
    read = sqspeech.units.read
    monkeypatch.setattr("sqspeech.units.read", lambda path: (asked.append(str(path)), read(path))[1])
    status, out, _ = run(
        *("best=exp/best-0", "best=exp/best-1", "exp/iv", "--data", "seen=data", "--data", "unseen=data"),
        *("--alignment", "unseen=a.ctm", "-o", "m.json", "--pictures", "o"),
    )
    assert status == 0
    assert asked == [f"exp/{system}/{name}" for name in ("seen", "unseen") for system in ("best-0", "best-1", "iv")]
    sets = json.loads(Path("m.json").read_text())["sets"]
    assert list(sets) == ["seen", "unseen"]
    assert list(sets["seen"]["systems"]) == list(sets["unseen"]["systems"]) == ["best", "iv"]
    assert list(sets["seen"]["seeds"]["best"]) == ["best-0", "best-1"]
    assert ["pnmi" in of_set["systems"]["best"] for of_set in sets.values()] == [False, True]
    assert sorted(str(path) for path in Path("o").rglob("*.png")) == [
        "o/trade.png",
        *(f"o/unseen/phones-{name}.png" for name in ("best-0", "best-1", "iv")),
    ]
    header = out.splitlines()[1]
    assert header.index("system") < header.index("seen") < header.index("unseen")
    assert out.endswith("m.json: 24 utterances, 19 s\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "a=data", "--data", "data"], "--data data: has no name beside others"),
        (["--data", "data", "--item", "a=x"], "--item x: for no test set; leave its name out, as with --data"),
        (["--data", "a=data", "--item", "x"], "--item x: for no test set; give it as NAME=PATH, with NAME one of a"),
        (
            ["--data", "data", "--against", "best"],
            "against best: no such system or baseline; there are x, mfcc, log_mel",
        ),
    ],
)
def test_options_that_do_not_fit(run, options, message) -> None:
    status, out, err = run("x", *options, "-o", "m.json")
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {message}")
    assert not Path("m.json").exists()
