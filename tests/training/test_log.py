import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sqspeech.training import log as log_module
from sqspeech.training.log import TrainingLog, cut_log

SHOWN = {"mse_db2": "mse {:.1f} dB²", "dev_mse_db2": "| dev {:.1f} dB²", "dev_perplexity": "perplexity {:.0f}",
         "dev_active_codes": "codes {:.0f}"}  # fmt: skip


class Clock:
    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(log_module, "time", found)
    return found


def lines(exp) -> list[dict]:
    return [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]


def test_a_report_is_a_line_a_point_and_words(tmp_path, clock, capsys):
    with TrainingLog(tmp_path, steps=100, first=10, shown=SHOWN) as log:
        for _ in range(20):
            log.advance()
        clock.now += 7
        with log.pause():
            clock.now += 1000
        clock.now += 3
        log.train({"loss": 2.5, "mse_db2": 50.0})
        log.dev({"dev_mse_db2": 60.0, "dev_perplexity": 33.0, "dev_active_codes": 40.0})
        log.warn("something [red]odd[/red]")
    assert lines(tmp_path) == [
        {"step": 30, "loss": 2.5, "mse_db2": 50.0, "steps_per_second": 2.0},
        {"step": 30, "dev_mse_db2": 60.0, "dev_perplexity": 33.0, "dev_active_codes": 40.0},
        {"step": 30, "warning": "something [red]odd[/red]"},
    ]
    said = capsys.readouterr().err
    assert "step 30 of 100, 0:00:35 left: 2 steps/s mse 50.0 dB² | dev 60.0 dB² perplexity 33 codes 40\n" in said
    assert "warning: something [red]odd[/red]\n" in said
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("train/loss")] == [(30, 2.5)]
    assert [(event.step, event.value) for event in board.Scalars("dev/dev_mse_db2")] == [(30, 60.0)]


def test_a_quiet_one_leaves_no_trace(tmp_path, capsys):
    with TrainingLog(tmp_path, steps=3, first=0, shown=SHOWN, quiet=True) as log:
        log.advance()
        log.train({"loss": 1.0})
        log.dev({"dev_mse_db2": 1.0})
        log.warn("odd")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    kept = '{"step": 1, "loss": 2.0}\n{"step": 3, "warning": "x"}\n'
    path.write_text(kept + '{"step": 4, "loss": 1.0}\n{"step": 3, "lo')
    cut_log(path, 3)
    assert path.read_text() == kept
    cut_log(tmp_path / "new.jsonl", 3)
    assert (tmp_path / "new.jsonl").read_text() == ""
