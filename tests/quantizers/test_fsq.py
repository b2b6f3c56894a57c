"""FSQ against its definition: loops over positions and dimensions in float64."""

import math
from itertools import product

import pytest
import torch

from sqspeech.quantizers import FSQ, FSQConfig

LEVELS = [(3,), (4,), (8, 5), (8, 5, 5, 5), (3, 4, 6, 7)]
sized = pytest.mark.parametrize("levels", LEVELS, ids=str)


def make(levels: tuple[int, ...] = (8, 5, 3)) -> FSQ:
    return FSQ(FSQConfig(levels=levels))


def latents(quantizer: FSQ, *shape: int) -> torch.Tensor:
    torch.manual_seed(1)
    return 2 * torch.randn(*shape, quantizer.dim)


def oracle(levels, vector) -> tuple[int, list[float], list[float]]:
    """The code, the quantised vector, and the derivative of each bounded value, divided as the result is."""
    code, place, values, slopes = 0, 1, [], []
    for L, x in zip(levels, vector, strict=True):
        width = (L - 1) * 0.999 / 2
        offset = 0.5 if L % 2 == 0 else 0.0
        shift = math.atanh(offset / width)
        bounded = width * math.tanh(x + shift) - offset
        level = round(bounded)
        assert -(L // 2) <= level <= (L - 1) // 2
        code += (level + L // 2) * place
        place *= L
        values.append(level / (L // 2))
        slopes.append(width * (1 - math.tanh(x + shift) ** 2) / (L // 2))
    return code, values, slopes


@sized
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_definition_gradient_included(levels, training):
    quantizer = make(levels).train(training)
    z = latents(quantizer, 2, 50).requires_grad_()
    torch.manual_seed(2)
    weight = torch.randn_like(z)
    result = quantizer(z)
    (result.z * weight).sum().backward()
    assert result.loss.item() == 0
    for b, t in product(range(2), range(50)):
        code, values, slopes = oracle(levels, z[b, t].tolist())
        assert result.codes[b, t].item() == code
        assert result.z[b, t].tolist() == pytest.approx(values, abs=1e-6)
        gradient = [s * w for s, w in zip(slopes, weight[b, t].tolist(), strict=True)]
        assert z.grad[b, t].tolist() == pytest.approx(gradient, rel=1e-3, abs=1e-6)


@sized
def test_each_code_has_a_vector_of_its_own_that_is_quantised_to_it(levels):
    quantizer = make(levels)
    vectors = quantizer.lookup(torch.arange(quantizer.codebook_size))
    assert vectors.unique(dim=0).shape == (math.prod(levels), len(levels))
    assert vectors.min() == -1
    assert vectors.max() <= 1
    inverse = []
    for d, L in enumerate(levels):
        width, offset = (L - 1) * 0.999 / 2, 0.5 * (L % 2 == 0)
        # The outermost levels lie a little outside what tanh reaches.
        inside = ((vectors[:, d].double() * (L // 2) + offset) / width).clamp(-0.9999, 0.9999)
        inverse.append(torch.atanh(inside) - math.atanh(offset / width))
    assert torch.equal(quantizer.encode(torch.stack(inverse, -1)[None])[0], torch.arange(quantizer.codebook_size))


@sized
def test_zero_is_a_level_of_its_own(levels):
    quantizer = make(levels)
    result = quantizer(torch.zeros(1, 1, len(levels)))
    assert (result.z == 0).all()


@pytest.mark.parametrize("value", [1e30, -1e30, 40.0, -40.0, math.inf, -math.inf])
@sized
def test_however_large_a_latent_is_its_code_exists(levels, value):
    quantizer = make(levels)
    code = quantizer.encode(torch.full((1, 1, len(levels)), value))[0, 0]
    wanted = [(L - 1) // 2 if value > 0 else -(L // 2) for L in levels]
    assert (quantizer.lookup(code) * (quantizer.levels // 2)).tolist() == wanted


def test_nothing_is_learned_or_kept():
    assert not list(make().parameters())
    assert not make().state_dict()
