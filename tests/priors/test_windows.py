"""Windows of sequences as training batches."""

import numpy as np
import pytest
import torch

from sqspeech.errors import ConfigError
from sqspeech.priors.unit_lm import PADDING
from sqspeech.priors.windows import Windows

BEGIN = 99
SEQUENCES = [np.arange(start, start + length)[:, None] for start, length in ((0, 3), (10, 4), (20, 30))]


def make_windows(**options) -> Windows:
    options = {"batch_size": 8, "length": 4, "seed": 0, "device": torch.device("cpu"), **options}
    return Windows(SEQUENCES, torch.tensor([BEGIN]), **options)


def test_a_window_is_a_part_of_a_sequence_and_every_step_is_in_one():
    windows, texts = make_windows(), [" ".join(map(str, [BEGIN, *sequence[:, 0]])) for sequence in SEQUENCES]
    predicted = np.zeros(100)
    for step in range(400):
        (batch,) = windows.batch(windows.key(step))
        assert batch.shape == (8, 5, 1)
        for row in batch[:, :, 0].tolist():
            real = [value for value in row if value != PADDING]
            assert row == real + [PADDING] * (5 - len(real))
            assert any(" ".join(map(str, real)) in text for text in texts)
            predicted[real[1:]] += 1
    counts = predicted[20:50]
    # The first step is in the windows of 3 steps, itself and two after it; one in the middle is in those of 4.
    assert counts.min() > 0
    assert counts[:2].sum() > 0.6 * counts[14:16].sum()
    assert (predicted[[0, 1, 2, 10, 11, 12, 13]] > 0).all()


def test_a_window_has_the_class_of_its_sequence_and_some_have_none():
    windows = make_windows(classes=torch.tensor([1, 2, 3]), class_dropout=0.25)
    pairs = []
    for step in range(400):
        batch, classes = windows.batch(windows.key(step))
        pairs += zip((batch[:, 1, 0] // 10 + 1).clamp_max(3).tolist(), classes.tolist(), strict=True)
    assert all(found in (0, wanted) for wanted, found in pairs)
    assert sum(found == 0 for _, found in pairs) / len(pairs) == pytest.approx(0.25, abs=0.03)
    assert {found for _, found in pairs} == {0, 1, 2, 3}


def test_processes_share_a_batch():
    options = {"classes": torch.tensor([1, 2, 3]), "class_dropout": 0.5}
    whole, parts = make_windows(**options), [make_windows(part=(rank, 2), **options) for rank in range(2)]
    key = whole.key(5)
    for place in range(2):
        assert torch.equal(whole.batch(key)[place], torch.cat([part.batch(key)[place] for part in parts]))
    assert not torch.equal(whole.batch(key)[0], whole.batch(whole.key(6))[0])
    with pytest.raises(ConfigError, match="batch_size = 8 cannot be shared out between 3 processes"):
        make_windows(part=(0, 3))
