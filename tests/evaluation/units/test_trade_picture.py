from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sqspeech.errors import SqspeechError
from sqspeech.evaluation.units.trade_picture import draw_trade


def metrics(*, item: bool = True) -> dict:
    def scores(across: float) -> dict[str, float]:
        return {"across": across, "within": across / 2}

    return {
        "systems": {
            "a": {"bitrate": 250.0, "speaker_accuracy": 60.0}
            | ({"abx_code_vectors": scores(20.0), "abx_one_hot": scores(30.0)} if item else {}),
            "b": {"bitrate": 0.0, "speaker_accuracy": 10.0} | ({"abx_one_hot": scores(50.0)} if item else {}),
        },
        "baselines": {
            name: {"speaker_accuracy": 90.0} | ({"abx": scores(24.0)} if item else {}) for name in ("mfcc", "log_mel")
        },
        "speaker_chance": 10.0,
    }


def colours(path: Path) -> set[tuple[int, ...]]:
    image = np.asarray(Image.open(path).convert("RGB"))
    return set(map(tuple, image.reshape(-1, 3).tolist()))


def test_every_system_is_drawn(tmp_path) -> None:
    draw_trade(tmp_path / "trade.png", {"": metrics()})
    assert {(31, 119, 180), (255, 127, 14)} <= colours(tmp_path / "trade.png")


def test_without_abx_speaker_accuracy_alone_is_drawn(tmp_path) -> None:
    draw_trade(tmp_path / "both.png", {"": metrics()})
    draw_trade(tmp_path / "one.png", {"": metrics(item=False)})
    with Image.open(tmp_path / "both.png") as both, Image.open(tmp_path / "one.png") as one:
        assert both.width == 2 * one.width


def test_without_speakers_abx_alone_is_drawn(tmp_path) -> None:
    draw_trade(tmp_path / "both.png", {"": metrics()})
    draw_trade(tmp_path / "one.png", {"": metrics() | {"speaker_chance": None}})
    with Image.open(tmp_path / "both.png") as both, Image.open(tmp_path / "one.png") as one:
        assert both.width == 2 * one.width


def test_a_bitrate_of_zero_is_drawn(tmp_path) -> None:
    figures = metrics()
    del figures["systems"]["a"]
    draw_trade(tmp_path / "trade.png", {"": figures})
    assert (31, 119, 180) in colours(tmp_path / "trade.png")


def test_a_path_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SqspeechError, match="cannot write"):
        draw_trade(tmp_path / "file/trade.png", {"": metrics()})


def test_seeds_are_dots_beside_their_mean(tmp_path) -> None:
    figures = metrics()
    draw_trade(tmp_path / "without.png", {"": figures})
    seeds = [figures["systems"]["a"] | {"bitrate": bitrate} for bitrate in (200.0, 300.0)]
    draw_trade(tmp_path / "with.png", {"": figures | {"seeds": {"a": dict(zip("01", seeds, strict=True))}}})
    # The colour of the system, six tenths of it on white.
    dot = (121, 173, 210)
    near = {c for c in colours(tmp_path / "with.png") if max(abs(a - b) for a, b in zip(c, dot, strict=True)) < 3}
    assert near - colours(tmp_path / "without.png")


def test_sets_are_side_by_side_and_one_without_abx_has_a_gap(tmp_path) -> None:
    draw_trade(tmp_path / "one.png", {"": metrics()})
    draw_trade(tmp_path / "two.png", {"seen": metrics(), "unseen": metrics(item=False)})
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert (two.width, two.height) == (one.width, 2 * one.height - 105)
