from collections import Counter

import numpy as np
import pytest
import torch

from sqspeech.data.crops import CropConfig, Crops
from sqspeech.errors import DataError


def corpus(*lengths: int) -> list[np.ndarray]:
    """Frame t of utterance u holds (u, t), so that a crop tells where it is from."""
    return [np.stack([np.full(n, u), np.arange(n)], axis=1).astype(np.float32) for u, n in enumerate(lengths)]


def make(lengths: list[int], seed: int = 0, **config: int) -> Crops:
    speakers = [10 + u for u in range(len(lengths))]
    return Crops(corpus(*lengths), speakers, CropConfig(**config), seed=seed, device=torch.device("cpu"))


def test_a_crop_is_consecutive_frames_of_one_utterance_with_its_speaker():
    crops = make([40, 50, 6], batch_size=64, frames=4)
    mel, speaker = crops.batch(3)
    assert mel.shape == (64, 6, 2)
    assert (mel[:, :, 0] == mel[:, :1, 0]).all()
    assert (mel[:, 1:, 1] - mel[:, :-1, 1] == 1).all()
    assert (speaker == 10 + mel[:, 0, 0]).all()


def test_utterances_and_then_positions_are_uniform_and_all_are_reached():
    crops = make([6, 9], batch_size=500, frames=4)
    first = torch.cat([crops.batch(step)[0][:, 0] for step in range(20)])
    counts = Counter(map(tuple, first.long().tolist()))
    assert set(counts) == {(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)}
    assert counts[0, 0] == pytest.approx(5000, rel=0.06)
    assert all(counts[1, t] == pytest.approx(1250, rel=0.12) for t in range(4))


def test_draws_are_a_function_of_seed_and_step():
    one, two, other = make([99, 80]), make([99, 80]), make([99, 80], seed=1)
    one.batch(0)
    assert torch.equal(one.batch(7)[0], two.batch(7)[0])
    assert not torch.equal(one.batch(8)[0], two.batch(7)[0])
    assert not torch.equal(other.batch(7)[0], two.batch(7)[0])


def test_short_utterances_are_left_out_and_counted():
    crops = make([5, 6, 5], batch_size=8, frames=4)
    assert crops.left_out == 2
    assert (crops.batch(0)[1] == 11).all()


def test_a_corpus_without_a_crop_is_refused():
    with pytest.raises(DataError, match="no utterance reaches the 34 frames .* longest of 2 has 33"):
        make([33, 5])
