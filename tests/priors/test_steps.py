"""Units as steps of a language model, and back."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqspeech.priors.steps import StepCoder, StepConfig
from sqspeech.units import UnitInfo, Units

LONGEST = 3


def make_coder(stages: int = 1, *, runs: bool = True) -> StepCoder:
    info = UnitInfo(frame_rate=50.0, offset=0.0, codebook_size=4, checkpoint="0" * 16, stages=stages)
    return StepCoder(StepConfig(runs=runs, longest_run=LONGEST), info)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 8)), min_size=1, max_size=9), st.sampled_from([1, 2]))
def test_runs_are_a_plain_loop_s_and_give_the_units_back(pairs, stages):
    single = [code for code, length in pairs for _ in range(length)]
    codes = np.array(single) if stages == 1 else np.column_stack([single, np.flip(single)])
    coder = make_coder(stages)
    wanted = []
    for code, run in groupby(codes.reshape(len(codes), -1).tolist()):
        left = len(list(run))
        while left:
            wanted.append([*code, min(left, LONGEST) - 1])
            left -= min(left, LONGEST)
    steps = coder.encode(Units(codes=codes))
    assert steps.tolist() == wanted
    assert (steps < np.array(coder.sizes)).all()
    assert coder.durations(steps).sum() == len(codes)
    assert coder.decode(steps).tolist() == codes.tolist()


@pytest.mark.parametrize("codes", [np.array([1, 1, 2]), np.array([[1, 0], [1, 0], [2, 3]])])
def test_plain_units_are_their_codes(codes):
    coder = make_coder(codes.ndim, runs=False)
    steps = coder.encode(Units(codes=codes))
    assert steps.tolist() == codes.reshape(3, -1).tolist()
    assert coder.sizes == (4,) * codes.ndim
    assert coder.decode(steps).tolist() == codes.tolist()
