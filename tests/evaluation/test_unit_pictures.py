from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sqspeech.errors import SqspeechError
from sqspeech.evaluation.purity import PhoneCounts
from sqspeech.evaluation.unit_pictures import draw_phones, draw_trade, seriation


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


def test_the_trade_shows_every_system(tmp_path) -> None:
    draw_trade(tmp_path / "trade.png", metrics())
    assert {(31, 119, 180), (255, 127, 14)} <= colours(tmp_path / "trade.png")


def test_without_abx_there_is_the_speaker_alone(tmp_path) -> None:
    draw_trade(tmp_path / "both.png", metrics())
    draw_trade(tmp_path / "one.png", metrics(item=False))
    with Image.open(tmp_path / "both.png") as both, Image.open(tmp_path / "one.png") as one:
        assert both.width == 2 * one.width


def test_without_speakers_there_are_the_phones_alone(tmp_path) -> None:
    draw_trade(tmp_path / "both.png", metrics())
    draw_trade(tmp_path / "one.png", metrics() | {"speaker_chance": None})
    with Image.open(tmp_path / "both.png") as both, Image.open(tmp_path / "one.png") as one:
        assert both.width == 2 * one.width


def test_all_at_zero_is_drawn(tmp_path) -> None:
    figures = metrics()
    del figures["systems"]["a"]
    draw_trade(tmp_path / "trade.png", figures)
    assert (31, 119, 180) in colours(tmp_path / "trade.png")


def test_units_stand_by_their_commonest_phone() -> None:
    # Phones 0 and 2 are alike, and so are 1 and 3; unit 3 is unused.
    counts = np.array([[50, 0, 20, 0, 0], [0, 60, 0, 0, 9], [40, 0, 30, 0, 0], [0, 30, 0, 0, 10]])
    rows, columns = seriation(counts)
    assert sorted(rows) == [0, 1, 2, 3]
    assert {tuple(sorted(rows[:2])), tuple(sorted(rows[2:]))} == {(0, 2), (1, 3)}
    assert sorted(columns) == [0, 1, 2, 4]
    commonest = [list(rows).index(counts[:, column].argmax()) for column in columns]
    assert commonest == sorted(commonest)


def test_purer_units_come_first_and_rare_phones_not_at_all() -> None:
    counts = np.array([[500, 900, 300, 0], [500, 100, 300, 0], [0, 0, 0, 2]])
    rows, columns = seriation(counts)
    assert sorted(rows) == [0, 1]
    assert [column for column in columns if column != 3][:1] == [1]
    assert 3 not in columns


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_heat_map_is_drawn(tmp_path, count: int) -> None:
    counts = np.random.default_rng(0).integers(1, 9, (count, 64))
    phones = PhoneCounts(phones=tuple(f"p{i}" for i in range(count)), counts=counts, unaligned=(), unlabelled=0)
    draw_phones(tmp_path / "x/phones.png", phones, "a system")
    with Image.open(tmp_path / "x/phones.png") as image:
        assert image.format == "PNG"
        assert image.width == 1500


def test_where_nothing_can_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SqspeechError, match="cannot write"):
        draw_trade(tmp_path / "file/trade.png", metrics())
