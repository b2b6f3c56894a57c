"""Mean and standard deviation over seeds."""

from sqspeech.evaluation.units.seeds import deviation, mean

SEEDS = [
    {
        "checkpoint": "a",
        "rate": 1,
        "abx": {"across": 2.0, "own": 1.0},
        "stages": [1.0, 2.0],
        "ragged": [1.0],
        "none": None,
    },
    {"checkpoint": "b", "rate": 4, "abx": {"across": 5.0}, "stages": [4.0, 8.0], "ragged": [1.0, 2.0], "none": None},
]


def test_numbers_that_all_seeds_have_are_combined() -> None:
    assert mean(SEEDS) == {"rate": 2.5, "abx": {"across": 3.5}, "stages": [2.5, 5.0]}
    # Half the difference of two times the root of two.
    assert {name: round(value, 6) for name, value in deviation(SEEDS).items() if name == "rate"} == {"rate": 2.12132}
    assert [round(value, 6) for value in deviation(SEEDS)["stages"]] == [2.12132, 4.242641]
