"""Windows of the encoder against the encoder on the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sqspeech.models.encoder import ConvEncoder, EncoderConfig
from sqspeech.models.windows import ConvolutionWindows


@pytest.fixture(scope="module")
def encoder() -> ConvEncoder:
    torch.manual_seed(0)
    encoder = ConvEncoder(EncoderConfig(width=12), n_mels=5, output_dim=7)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3.0)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return encoder.eval().double()


def cut(mel: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Frames of a mel, with nonsense where there are none."""
    frames = [
        mel[t] if 0 <= t < len(mel) else torch.full((mel.shape[1],), 1e3, dtype=mel.dtype) for t in range(first, last)
    ]
    return torch.stack(frames)


@given(half=st.integers(2, 30), data=st.data())
def test_a_window_has_the_codes_of_the_whole(encoder, half, data):
    mel = torch.randn(2 * half, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(half))
    whole = encoder(mel[None])[0]
    windows = ConvolutionWindows(encoder.layers, torch.float64)
    assert encoder.geometry.units(len(mel)) == len(whole) == half - 1
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first + 1, len(whole)))
    part = windows(cut(mel, *windows.frames(first, last))[None], [first], [len(mel)], last - first)
    torch.testing.assert_close(part[0], whole[first:last], rtol=1e-9, atol=1e-9)


def test_windows_of_different_utterances_are_computed_together(encoder):
    windows = ConvolutionWindows(encoder.layers, torch.float64)
    mels = [torch.randn(length, 5, dtype=torch.float64) for length in (12, 40, 64)]
    firsts = [0, 9, 25]
    rows = torch.stack([cut(mel, *windows.frames(first, first + 6)) for mel, first in zip(mels, firsts, strict=True)])
    found = windows(rows, firsts, [12, 40, 64], 6)
    for mel, first, row in zip(mels, firsts, found, strict=True):
        expected = encoder(mel[None])[0, first : first + 6]
        torch.testing.assert_close(row[: len(expected)], expected, rtol=1e-9, atol=1e-9)


def test_what_a_code_sees_is_what_changes_it(encoder):
    """The range of frames by the chain rule, against the range that is stated."""
    mel = torch.randn(60, 5, dtype=torch.float64, requires_grad=True)
    encoder(mel[None])[0, 14].sum().backward()
    seen = torch.nonzero(mel.grad.abs().sum(1)).flatten()
    assert ConvolutionWindows(encoder.layers).frames(14, 15) == (int(seen.min()), int(seen.max()) + 1)
