"""Command `sqspeech evaluate` with judges: its options, its output, and its refusals."""

import json
import sys
from pathlib import Path

import pytest

from sqspeech import cli
from sqspeech.evaluation.metrics import words
from sqspeech.evaluation.metrics.speech_metric import SPEECH_METRICS

pytestmark = pytest.mark.usefixtures("short_griffin_lim")


class Reader:
    """A recogniser that reads the same in everything, and notes the model that it was given."""

    name = "reader"

    def __init__(self, model: str | None) -> None:
        self.model = model or "default"

    def __call__(self, speech):
        return ["sentence 3" for _ in speech]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, experiment):
    monkeypatch.chdir(tmp_path)
    SPEECH_METRICS.names()
    monkeypatch.setattr(words, "Recogniser", Reader)
    start = ["sqspeech", "evaluate", str(experiment.checkpoint), str(experiment.root / "corpus/dev"), "-o", "m.json"]

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [*start, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


def test_the_words_of_each_stage_are_printed_and_written(run) -> None:
    options = (
        "--vocoder",
        "griffin_lim",
        "--judge",
        "words",
        "--recogniser",
        "mine",
        "--where-lost",
        "--judgements",
        "kept",
    )
    status, out, _ = run(*options)
    assert status == 0
    assert "word error (%)" in out
    assert "decoded from the encoder's output" in out
    metrics = json.loads(Path("m.json").read_text())
    assert metrics["judges"]["recogniser"] == "mine"
    assert metrics["judges"]["reconstruction"]["word_error"] == 0
    assert metrics["words"]["latents"]["count"] == 4
    judged = [line for line in Path("kept/judgements.jsonl").read_text().splitlines() if line]
    # Natural speech, copy, encoder's output, mean of codewords and codes of four utterances.
    assert len(judged) == 20
    assert run(*options)[0] == 0
    assert json.loads(Path("m.json").read_text()) == metrics
    assert len([line for line in Path("kept/judgements.jsonl").read_text().splitlines() if line]) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge", "word"], "no judge 'word'; the nearest is words"),
        (
            ["--judge", "speaker"],
            "the judge speaker compares with natural speech of the speakers; give it with --train",
        ),
        (
            ["--judge", "aligned", "--where-lost"],
            "--where-lost counts words; give --judge words",
        ),
        (["--where-lost"], "--recogniser, --where-lost, --judgements and --versa are for judges; give --judge words"),
        (
            ["--conversion", "pairs"],
            "--conversion PAIRS needs natural speech of the speakers; give it with --train DATA",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_line(run, options, message) -> None:
    status, _, error = run(*options)
    assert status == 1
    assert error.splitlines()[-1].startswith(f"error: {message}")
    assert "Traceback" not in error
