from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from sqspeech.data.crops import CropConfig, Crops
from sqspeech.data.frame_cache import pack
from sqspeech.errors import ConfigError, DataError

CPU = torch.device("cpu")


def corpus(*lengths: int) -> list[np.ndarray]:
    """Frame t of utterance u holds (u, t), so that a crop tells where it is from."""
    return [np.stack([np.full(n, u), np.arange(n)], axis=1).astype(np.float32) for u, n in enumerate(lengths)]


def make(lengths: list[int], *, speakers=None, seed: int = 0, part=(0, 1), **config: Any) -> Crops:
    speakers = speakers or [10 + u for u in range(len(lengths))]
    return Crops(pack(corpus(*lengths), CPU), speakers, CropConfig(**config), seed=seed, part=part)


def batch(crops: Crops, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    return crops.batch(crops.key(step))


def firsts(crops: Crops, steps: int) -> Counter[tuple[int, int]]:
    """Counts of each (utterance, first frame) drawn."""
    first = torch.cat([batch(crops, step)[0][:, 0] for step in range(steps)])
    return Counter(map(tuple, first.long().tolist()))


def test_a_crop_is_consecutive_frames_of_one_utterance_with_its_speaker():
    crops = make([40, 50, 6], speakers=[12, 10, 11], batch_size=64, frames=4)
    mel, speaker = batch(crops, 3)
    assert mel.shape == (64, 6, 2)
    assert (mel[:, :, 0] == mel[:, :1, 0]).all()
    assert (mel[:, 1:, 1] - mel[:, :-1, 1] == 1).all()
    assert (speaker == torch.tensor([12, 10, 11])[mel[:, 0, 0].long()]).all()


def test_utterances_and_then_positions_are_uniform_and_all_are_reached():
    counts = firsts(make([6, 9], batch_size=500, frames=4), steps=20)
    assert set(counts) == {(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)}
    assert counts[0, 0] == pytest.approx(5000, rel=0.06)
    assert all(counts[1, t] == pytest.approx(1250, rel=0.12) for t in range(4))


def test_by_duration_all_positions_are_alike():
    counts = firsts(make([6, 5, 9], batch_size=500, frames=4, sampling="duration"), steps=20)
    assert set(counts) == {(0, 0), (2, 0), (2, 1), (2, 2), (2, 3)}
    assert all(count == pytest.approx(2000, rel=0.1) for count in counts.values())


def test_by_speaker_all_speakers_are_alike_and_then_their_utterances():
    # Speaker 7 has the utterances 0, 2 and 3, of which the last is too short; speaker 4 has the first only.
    crops = make([6, 6, 6, 5], speakers=[7, 4, 7, 7], batch_size=500, frames=4, sampling="speaker")
    counts = firsts(crops, steps=20)
    assert counts[1, 0] == pytest.approx(5000, rel=0.06)
    assert counts[0, 0] == pytest.approx(2500, rel=0.1)
    assert counts[2, 0] == pytest.approx(2500, rel=0.1)


@pytest.mark.parametrize("sampling", ["utterance", "duration", "speaker"])
def test_draws_are_a_function_of_seed_and_step(sampling):
    one, two = make([99, 80], sampling=sampling), make([99, 80], sampling=sampling)
    other = make([99, 80], sampling=sampling, seed=1)
    batch(one, 0)
    assert torch.equal(batch(one, 7)[0], batch(two, 7)[0])
    assert torch.equal(batch(one, 7)[0], two.batch(torch.tensor(two.key(7)))[0])
    assert not torch.equal(batch(one, 8)[0], batch(two, 7)[0])
    assert not torch.equal(batch(other, 7)[0], batch(two, 7)[0])


@pytest.mark.parametrize("processes", [2, 4])
def test_the_parts_of_a_batch_are_the_batch(processes):
    mel, speaker = batch(make([99, 80]), 7)
    parts = [batch(make([99, 80], part=(index, processes)), 7) for index in range(processes)]
    assert torch.equal(torch.cat([part[0] for part in parts]), mel)
    assert torch.equal(torch.cat([part[1] for part in parts]), speaker)


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(ConfigError, match=r"batch_size = 52 cannot be shared out between 3 processes"):
        make([99], part=(0, 3))


def test_short_utterances_are_left_out_and_counted():
    crops = make([5, 6, 5], batch_size=8, frames=4)
    assert crops.left_out == 2
    assert (batch(crops, 0)[1] == 11).all()


def test_a_corpus_without_a_crop_is_refused():
    with pytest.raises(DataError, match="no utterance reaches the 34 frames .* longest of 2 has 33"):
        make([33, 5])
