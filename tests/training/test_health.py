import math
from functools import partial

import pytest

from sqspeech.training.codebook_faults import PATIENCE, find_faults
from sqspeech.training.health import Health

WELL = {"dev_perplexity": 40.0, "dev_mse_db2": 50.0, "dev_mse_db2_other_codes": 90.0}
ANNEALED = {"entropy": 1.0, "log_variance": -3.0}
FAULTS = {
    "the codebook collapses: the dev perplexity is 3.1, under 5 % of 64 codes": ({}, {"dev_perplexity": 3.1}),
    "the posterior does not anneal: its entropy is 4.10 of at most 4.16 nats, the mean log variance 3.00": (
        {"entropy": 4.1, "log_variance": 3.0},
        {},
    ),
    "the decoder ignores the codes: 50.0 dB² with an utterance's own, 51.0 dB² with the reversed ones": (
        {},
        {"dev_mse_db2_other_codes": 51.0},
    ),
}


def make_health(size: int | None = 64) -> Health:
    return Health(partial(find_faults, size))


def patient(size: int | None = 64) -> Health:
    health = make_health(size)
    for _ in range(PATIENCE - 1):
        assert health.examine(ANNEALED, WELL) == []
    return health


@pytest.mark.parametrize("text", FAULTS)
def test_each_fault_is_said_once_until_it_has_passed(text):
    train, dev = FAULTS[text]
    health = patient()
    (said,) = health.examine(ANNEALED | train, WELL | dev)
    assert said.startswith(text)
    assert "; " in said.removeprefix(text), "a remedy"
    assert health.examine(ANNEALED | train, WELL | dev) == []
    assert health.examine(ANNEALED, WELL) == []
    assert health.examine(ANNEALED | train, WELL | dev) == [said]


def test_a_model_is_given_time_to_anneal_and_to_listen():
    early = {"entropy": math.log(64)}, {"dev_mse_db2_other_codes": 50.0}
    assert make_health().examine(early[0], WELL | early[1]) == []


@pytest.mark.parametrize(("perplexity", "warned"), [(3.19, True), (3.21, False)])
def test_a_collapse_is_below_five_per_cent(perplexity, warned):
    assert bool(make_health().examine(ANNEALED, WELL | {"dev_perplexity": perplexity})) is warned


def test_a_model_without_a_codebook_has_nothing_to_collapse():
    assert patient(None).examine({"entropy": 9.9}, {"dev_mse_db2": 50.0, "dev_mse_db2_other_codes": 90.0}) == []


def test_what_was_said_is_not_said_again_by_a_continued_run():
    first, second = patient(), make_health()
    faulty = WELL | {"dev_perplexity": 1.0}
    assert len(first.examine(ANNEALED, faulty)) == 1
    second.load(first.state())
    assert second.examine(ANNEALED, faulty) == []
    assert len(second.examine(ANNEALED, faulty | {"dev_mse_db2_other_codes": 50.0})) == 1
