"""The convolutional decoder against its definition, position by position."""

import pytest
import torch
from torch.nn import functional

from sqspeech.config import ExperimentConfig
from sqspeech.errors import ConfigError
from sqspeech.models.base import DECODERS
from sqspeech.models.conv_decoder import ConvDecoder, ConvDecoderConfig
from sqspeech.models.jittered import time_jitter

D, M, SPEAKERS, STRIDE = 3, 5, 4, 2
CONFIG = ConvDecoderConfig(width=6, layers=2, kernel_size=5, speaker_dim=3, jitter=0.5)


@pytest.fixture
def decoder() -> ConvDecoder:
    """One whose speakers differ and whose BatchNorm has seen something."""
    torch.manual_seed(0)
    made = DECODERS.of(CONFIG)(CONFIG, D, M, SPEAKERS, STRIDE)
    for block in made.blocks:
        torch.nn.init.normal_(block.speaker.weight)
    for _ in range(5):
        made(torch.randn(8, 9, D), torch.randint(SPEAKERS, (8,)))
    return made.eval()


def convolved(layer, values):
    """A convolution with zeros around (C, L), by its definition."""
    half, length = layer.kernel_size[0] // 2, values.shape[1]
    columns = []
    for position in range(length):
        total = layer.bias.clone()
        for tap in range(layer.kernel_size[0]):
            if 0 <= position + tap - half < length:
                total += layer.weight[:, :, tap] @ values[:, position + tap - half]
        columns.append(total)
    return torch.stack(columns, 1)


@torch.no_grad()
def oracle(decoder, z, embedding):
    """The log-mel (T, M) of one utterance (L, D) for an embedding (S,)."""
    hidden = convolved(decoder.first, z.T)
    for block in decoder.blocks:
        scale, offset = block.speaker(embedding).chunk(2)
        norm = block.norm
        normal = (hidden - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps).sqrt()
        normal = normal * norm.weight[:, None] + norm.bias[:, None]
        normal = normal * (1 + scale[:, None]) + offset[:, None]
        hidden = hidden + convolved(block.out, functional.gelu(convolved(block.mix, normal)))
    frames = []
    for column in hidden.T:
        both = decoder.projection(column)
        frames += [both[:M], both[M:]]
    return torch.stack(frames)


def test_it_is_what_it_is_defined_as(decoder):
    z, speaker = torch.randn(2, 7, D), torch.tensor([3, 1])
    found = decoder(z, speaker)
    assert found.shape == (2, 7 * STRIDE, M)
    for row in range(2):
        torch.testing.assert_close(found[row], oracle(decoder, z[row], decoder.speakers.weight[speaker[row]]))


def test_a_padded_row_is_the_row_alone(decoder):
    z, embedding = torch.randn(3, 9, D), decoder.speakers.weight[:3]
    for lengths in ([9, 6, 1], [4, 9, 2]):
        found = decoder.decode(z, embedding, lengths)
        for row, length in enumerate(lengths):
            alone = decoder.decode(z[row : row + 1, :length], embedding[row : row + 1])
            torch.testing.assert_close(found[row, : STRIDE * length], alone[0])


def test_a_frame_depends_on_as_many_steps_as_the_configuration_says(decoder):
    reach = CONFIG.layers * (CONFIG.kernel_size - 1) // 2 + 1
    z = torch.randn(1, 2 * reach + 5, D)
    moved = z.clone()
    moved[:, 0] += 1
    changed = (decoder(moved, torch.tensor([0])) - decoder(z, torch.tensor([0]))).abs().amax((0, 2)) > 0
    assert changed.nonzero().max() // STRIDE == reach


def test_in_training_the_steps_are_jittered(decoder):
    z, speaker = torch.randn(2, 7, D), torch.tensor([0, 1])
    decoder.train()
    torch.manual_seed(4)
    found = decoder(z, speaker)
    torch.manual_seed(4)
    jittered = time_jitter(z, CONFIG.jitter)
    torch.testing.assert_close(found, decoder.decode(jittered, decoder.speakers(speaker)))


def test_an_even_kernel_is_refused():
    with pytest.raises(ConfigError, match=r"decoder\.kernel_size"):
        ExperimentConfig.from_dict({"decoder": {"name": "conv", "kernel_size": 4}}, "test")
