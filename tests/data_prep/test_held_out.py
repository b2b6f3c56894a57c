import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.held_out import Shares, assign, position

IDS = st.lists(st.text(min_size=1, max_size=8), max_size=60, unique=True)
SHARES = st.builds(Shares, dev=st.floats(0, 0.5), test=st.floats(0, 0.5))


def slow_position(name):
    digits = hashlib.sha256(name.encode()).hexdigest()
    return sum(int(digit, 16) / 16.0**place for place, digit in enumerate(digits[:16], start=1))


@given(st.text())
def test_position_is_the_hash_as_a_fraction(name):
    assert position(name) == pytest.approx(slow_position(name), abs=1e-15)
    assert 0 <= position(name) < 1


def test_positions_are_those_of_sha256sum():
    assert position("p225_001") == pytest.approx(0x26952727CBDE77A8 / 2**64, abs=1e-15)
    assert position("s5_400") == pytest.approx(0x8B0E13C2162369D2 / 2**64, abs=1e-15)


@given(IDS, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_the_ids_does_not_matter(utt_ids, shares, random):
    shuffled = list(utt_ids)
    random.shuffle(shuffled)
    assert assign(shuffled, shares) == assign(utt_ids, shares)


@given(IDS, SHARES)
def test_every_speaker_trains_and_a_share_above_zero_is_no_empty_set(utt_ids, shares):
    names = assign(utt_ids, shares)
    assert set(names) == set(utt_ids)
    kept = list(names.values())
    assert set(kept) <= {"train", "dev", "test"}
    assert "train" in kept or not utt_ids
    if len(utt_ids) < 3:
        assert set(kept) <= {"train"}
    else:
        assert ("dev" in kept, "test" in kept) == (shares.dev > 0, shares.test > 0)


@given(st.integers(0, 1000), SHARES)
def test_where_each_set_has_some_by_itself_the_hash_alone_decides(seed, shares):
    utt_ids = [f"{seed}_{n}" for n in range(150)]
    expected = {
        utt_id: "test" if place < shares.test else "dev" if place < shares.test + shares.dev else "train"
        for utt_id, place in ((utt_id, slow_position(utt_id)) for utt_id in utt_ids)
    }
    wanted = {"train"} | ({"dev"} if shares.dev > 0 else set()) | ({"test"} if shares.test > 0 else set())
    if set(expected.values()) == wanted:
        assert assign(utt_ids, shares) == expected


@given(IDS.filter(lambda ids: len(ids) > 30), SHARES, st.text(min_size=1, max_size=8))
def test_one_more_utterance_moves_at_most_two_others(utt_ids, shares, new):
    before = assign(utt_ids, shares)
    after = assign([*utt_ids, *({new} - set(utt_ids))], shares)
    assert sum(before[utt_id] != after[utt_id] for utt_id in utt_ids) <= 2


def test_the_shares_are_about_those_asked_for():
    names = list(assign([f"p225_{n}" for n in range(5000)], Shares(dev=0.1, test=0.2)).values())
    # Three standard deviations of a binomial are below 0.02.
    assert names.count("dev") / 5000 == pytest.approx(0.1, abs=0.02)
    assert names.count("test") / 5000 == pytest.approx(0.2, abs=0.02)
