import numpy as np
import pytest
from PIL import Image

from sqspeech.evaluation.metrics.purity import PhoneCounts
from sqspeech.evaluation.phone_picture import draw_phones, seriation


def test_units_are_sorted_by_their_most_frequent_phone() -> None:
    # Phones 0 and 2 are alike, and so are 1 and 3; unit 3 is unused.
    counts = np.array([[50, 0, 20, 0, 0], [0, 60, 0, 0, 9], [40, 0, 30, 0, 0], [0, 30, 0, 0, 10]])
    rows, columns = seriation(counts)
    assert sorted(rows) == [0, 1, 2, 3]
    assert {tuple(sorted(rows[:2])), tuple(sorted(rows[2:]))} == {(0, 2), (1, 3)}
    assert sorted(columns) == [0, 1, 2, 4]
    most_frequent = [list(rows).index(counts[:, column].argmax()) for column in columns]
    assert most_frequent == sorted(most_frequent)


def test_purer_units_come_first_and_rare_phones_are_left_out() -> None:
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
