"""Command `sqspeech evaluate-units`, with units in memory in place of units on disk."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus import write_corpus

from sqspeech import cli
from sqspeech.cli.evaluation import system_names
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import ConfigError
from sqspeech.units import UnitInfo, Units, UnitSet


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = DataDir.read(write_corpus(tmp_path / "data"))
    random = np.random.default_rng(0)
    info = UnitInfo(frame_rate=50.0, offset=0.005, codebook_size=8, checkpoint="0123")
    units = UnitSet(info=info, units={u.utt_id: Units(codes=random.integers(0, 8, 39)) for u in data})
    monkeypatch.setattr("sqspeech.units.read", lambda path: units, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sqspeech", "evaluate-units", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


def test_metrics_table_and_pictures(run) -> None:
    Path("a.ctm").write_text("f1-00 1 0.0 0.4 A\nf1-00 1 0.4 0.4 B\n")
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


def test_names_are_as_short_as_they_can_be_told_apart(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert system_names([Path("exp/a/units")]) == {"units": Path("exp/a/units")}
    assert system_names([Path("exp/a/units"), Path("exp/b/units")]) == {
        "a/units": Path("exp/a/units"),
        "b/units": Path("exp/b/units"),
    }
    assert set(system_names([Path("a/x/u"), Path("b/x/u"), Path("a/y/v")])) == {"a/x/u", "b/x/u", "a/y/v"}
    assert set(system_names([Path("u"), Path("/v/u")])) == {f"{tmp_path.name}/u", "v/u"}


def test_the_same_units_twice(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="given twice"):
        system_names([Path("u"), Path("x/../u")])
