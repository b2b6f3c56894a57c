"""SimVQ against its definition: loops over positions and codewords in float64."""

import math

import pytest
import torch

from sqspeech.quantizers import SimVQ, SimVQConfig

B, T, D, K = 3, 4, 2, 5
RAGGED = torch.arange(T) < torch.tensor([4, 1, 2])[:, None]
masked = pytest.mark.parametrize("mask", [None, RAGGED], ids=["all real", "padded"])


def make(**values) -> SimVQ:
    torch.manual_seed(0)
    return SimVQ(SimVQConfig(**{"codebook_size": K, "codebook_dim": D, "commitment": 0.3} | values))


def latents() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(B, T, D)


def oracle(frozen, weight, z, mask):
    """Loss as a float64 scalar that autograd follows, codes and codewords of real positions."""
    codewords = [[sum(row[i] * weight[i, j] for i in range(D)) for j in range(D)] for row in frozen]
    loss, codes = 0.0, []
    positions = [(b, t) for b in range(B) for t in range(T) if mask is None or mask[b, t]]
    for b, t in positions:
        distances = [sum((z[b, t, d] - row[d]).item() ** 2 for d in range(D)) for row in codewords]
        code = distances.index(min(distances))
        codes.append(code)
        for d in range(D):
            to_latent = (z[b, t, d].detach() - codewords[code][d]) ** 2
            to_codeword = (z[b, t, d] - codewords[code][d].detach()) ** 2
            loss = loss + (to_latent + 0.3 * to_codeword) / (len(positions) * D)
    return loss, codes, torch.tensor([[x.item() for x in codewords[code]] for code in codes])


@masked
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_definition_gradient_included(mask, training):
    quantizer, z = make().train(training), latents().requires_grad_()
    exact = [quantizer.weight.detach().double().requires_grad_(), z.detach().double().requires_grad_()]
    wanted, codes, codewords = oracle(quantizer.frozen.double(), *exact, mask)
    result = quantizer(z, mask=mask)
    real = torch.ones(B, T, dtype=torch.bool) if mask is None else mask
    assert result.codes[real].tolist() == codes
    torch.testing.assert_close(result.z[real], codewords)
    assert result.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    got = torch.autograd.grad(result.loss, [quantizer.weight, z])
    torch.testing.assert_close(got, tuple(g.float() for g in torch.autograd.grad(wanted, exact)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_goes_straight_through(training):
    quantizer, z = make().train(training), latents().requires_grad_()
    weight = torch.randn(B, T, D)
    (quantizer(z).z * weight).sum().backward()
    assert torch.equal(z.grad, weight)
    assert quantizer.weight.grad is None


def test_only_the_linear_layer_is_learned_and_a_step_moves_every_codeword():
    quantizer, z = make(), latents()
    assert [name for name, _ in quantizer.named_parameters()] == ["weight"]
    before = quantizer.lookup(torch.arange(K)).detach()
    frozen = quantizer.frozen.clone()
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=0.5)
    result = quantizer(z[:1, :1])  # one latent, one codeword
    result.loss.backward()
    optimizer.step()
    moved = (quantizer.lookup(torch.arange(K)) - before).abs().amax(-1)
    assert (moved > 1e-4).all()
    assert torch.equal(quantizer.frozen, frozen)
    assert quantizer(z[:1, :1]).loss < result.loss


def test_the_frozen_codewords_have_unit_length_on_average():
    frozen = make(codebook_size=2000, codebook_dim=64).frozen
    assert frozen.square().sum(-1).mean().item() == pytest.approx(1, abs=0.02)
    assert math.isclose(frozen.mean().item(), 0, abs_tol=2e-3)


def test_codes_equal_those_of_double_precision():
    quantizer = make(codebook_size=512, codebook_dim=64)
    codebook = quantizer.frozen.double() @ quantizer.weight.detach().double()
    z = torch.cat([codebook[torch.randint(512, (5000,))] + 0.02 * torch.randn(5000, 64), 0.1 * torch.randn(5000, 64)])
    wanted = torch.cdist(z.float().double(), codebook, compute_mode="donot_use_mm_for_euclid_dist").argmin(-1)
    assert (quantizer.encode(z.float()[None])[0] != wanted).sum() <= 1
