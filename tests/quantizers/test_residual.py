"""Residual quantisation against its definition, stage by stage."""

import math

import pytest
import torch
from torch.func import functional_call

from sqspeech.quantizers import (
    GaussianSQConfig,
    Residual,
    ResidualConfig,
    SimVQConfig,
    VqEmaConfig,
    build_quantizer,
)

B, T, D, K, Q = 2, 3, 4, 5, 3
VARIANCES = ["I", "II", "III", "IV"]
RAGGED = torch.tensor([[True, True, True], [True, False, False]])
masked = pytest.mark.parametrize("mask", [None, RAGGED], ids=["all real", "padded"])
STAGES = {
    "gaussian_sq": GaussianSQConfig(codebook_size=K, codebook_dim=D, initial_variance=0.5),
    "vq_ema": VqEmaConfig(codebook_size=K, codebook_dim=D, decay=0.9),
    "sim_vq": SimVQConfig(codebook_size=K, codebook_dim=D),
}


def make(stage="gaussian_sq", **values) -> Residual:
    torch.manual_seed(0)
    config = STAGES[stage] if isinstance(stage, str) else stage
    return build_quantizer(ResidualConfig(stages=Q, quantizer=config, **values))


def gaussian(variance: str) -> Residual:
    return make(GaussianSQConfig(codebook_size=K, codebook_dim=D, variance=variance, initial_variance=0.5))


def draw(quantizer: Residual, *shape: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    torch.manual_seed(1)
    z, extra = torch.randn(*shape, D), torch.randn(*shape, quantizer.extra_channels)
    return z, extra if quantizer.extra_channels else None


def oracle(quantizer, z, extra, mask):
    """KL as a float64 scalar that autograd follows, and each real position's codes and sum of codewords."""
    variance, kl, codes, sums = quantizer.config.quantizer.variance, 0.0, [], []
    for b in range(B):
        real = [t for t in range(T) if mask is None or mask[b, t]]
        for t in real:
            remainder, chosen, total = z[b, t], [], torch.zeros(D, dtype=torch.float64)
            for stage in quantizer.quantizers:
                shared = {"I": 0.0}.get(variance)
                if shared is None:
                    shared = extra[b, real].mean(0) if variance == "II" else extra[b, t]
                weight = torch.exp(-(stage.log_variance + shared)) * torch.ones(D, dtype=torch.float64)
                energies = [0.5 * (weight * (remainder - codeword) ** 2).sum() for codeword in stage.codebook]
                normaliser = sum((-e).exp() for e in energies)
                p = [(-e).exp() / normaliser for e in energies]
                code = min(range(K), key=lambda k: energies[k].item())
                kl = kl + (energies[code] + sum(x * x.log() for x in p) + math.log(K)) / B
                chosen.append(code)
                total = total + stage.codebook[code]
                remainder = remainder - stage.codebook[code]
            codes.append(chosen)
            sums.append(total)
    return kl, codes, torch.stack(sums)


@masked
@pytest.mark.parametrize("variance", VARIANCES)
def test_residual_gaussian_sq_equals_the_definition_gradient_included(variance, mask):
    quantizer = gaussian(variance).eval()
    exact = gaussian(variance).double().eval()
    z, extra = draw(quantizer, B, T)
    leaves = [z.requires_grad_(), *([] if extra is None else [extra.requires_grad_()])]
    copies = [x.detach().double().requires_grad_() for x in leaves]
    wanted, codes, sums = oracle(exact, *copies, *([None] * (2 - len(copies))), mask)
    result = quantizer(*leaves, *([None] * (2 - len(leaves))), mask=mask)
    real = torch.ones(B, T, dtype=torch.bool) if mask is None else mask
    assert result.codes[real].tolist() == codes
    torch.testing.assert_close(result.z[real].double(), sums, rtol=1e-5, atol=1e-6)
    assert result.loss.item() == result.statistics["kl"].item() == pytest.approx(wanted.item(), rel=1e-5)
    weight = torch.randn(len(codes), D, dtype=torch.float64)
    got = torch.autograd.grad(result.loss + (result.z[real] * weight.float()).sum(), [*leaves, *quantizer.parameters()])
    want = torch.autograd.grad(wanted + (sums * weight).sum(), [*copies, *exact.parameters()])
    torch.testing.assert_close(got, tuple(g.float() for g in want), rtol=1e-4, atol=1e-5)


@masked
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("training", [True, False])
def test_gradient_is_that_of_the_value(variance, mask, training):
    quantizer = gaussian(variance).double().train(training)
    z, extra = draw(quantizer, B, T)
    inputs = [z.double().requires_grad_(), *([] if extra is None else [extra.double().requires_grad_()])]
    names, parameters = zip(*quantizer.named_parameters(), strict=True)

    def values(*leaves):
        torch.manual_seed(2)
        latents, own = leaves[: len(inputs)], dict(zip(names, leaves[len(inputs) :], strict=True))
        result = functional_call(quantizer, own, (*latents, *([None] * (2 - len(inputs))), 0.7, mask))
        return result.loss, result.z, result.statistics["entropy"]

    assert torch.autograd.gradcheck(values, (*inputs, *parameters), fast_mode=True)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("training", [True, False])
def test_a_stage_quantises_what_those_before_it_left(stage, training):
    quantizer, alone = make(stage).train(training), make(stage).train(training).quantizers
    z, extra = draw(quantizer, B, T)
    torch.manual_seed(2)
    result = quantizer(z, extra, 0.7)
    torch.manual_seed(2)
    remainder, results = z, []
    for single in alone:
        results.append(single(remainder, extra, 0.7))
        remainder = remainder - results[-1].z
    torch.testing.assert_close(result.z, z - remainder)
    assert torch.equal(result.codes, torch.stack([r.codes for r in results], -1))
    torch.testing.assert_close(result.loss, sum(r.loss for r in results))
    for name in results[0].statistics:
        found = [r.statistics[name].item() for r in results]
        wanted = sum(found) if name == "kl" else sum(found) / Q
        assert result.statistics[name].item() == pytest.approx(wanted, rel=1e-5), name
        if name == "batch_perplexity":
            assert [result.statistics[f"{name}_{q}"].item() for q in (1, 2, 3)] == found
    torch.testing.assert_close(quantizer.state_dict(), torch.nn.Module.state_dict(make_holder(alone)))


def make_holder(stages) -> torch.nn.Module:
    holder = torch.nn.Module()
    holder.quantizers = stages
    return holder


@pytest.mark.parametrize("stage", ["vq_ema", "sim_vq"])
def test_straight_through_all_stages_at_once_and_each_commitment_pulls(stage):
    quantizer = make(stage).eval()
    z = draw(quantizer, B, T)[0].requires_grad_()
    weight, result = torch.randn(B, T, D), quantizer(z)
    assert torch.equal(torch.autograd.grad((result.z * weight).sum(), z, retain_graph=True)[0], weight)
    wanted, remainder = 0, z.detach()
    for place, single in enumerate(quantizer.quantizers):
        remainder = remainder - single.lookup(result.codes[..., place]).detach()
        wanted = wanted + 0.25 * 2 * remainder / remainder.numel()
    torch.testing.assert_close(torch.autograd.grad(result.loss, z)[0], wanted)


@pytest.mark.parametrize("stage", STAGES)
def test_more_stages_leave_less(stage):
    """Of latents that each stage's codebook was taken from."""
    quantizer = make(stage).eval()
    z, extra = draw(quantizer, 20, 50)
    extra = None if extra is None else 0 * extra
    remainder = z
    for first, single in enumerate(quantizer.quantizers):
        rows = remainder.flatten(0, 1)[first * K :][: K - 1]  # not those that are codewords already
        with torch.no_grad():
            if stage == "sim_vq":
                single.weight.copy_(torch.eye(D))
            codebook = single.frozen if stage == "sim_vq" else single.codebook
            codebook.copy_(torch.cat([rows, 0 * rows[:1]]))  # 0 lets every latent stay as it is
        left = remainder - single(remainder, extra).z
        assert left.norm() < remainder.norm()
        remainder = left.detach()
    torch.testing.assert_close(z - quantizer(z, extra).z, remainder)


def test_rounding_is_that_of_the_latent_however_little_is_left():
    quantizer = make("vq_ema").double()
    for single, size in zip(quantizer.quantizers, (1e3, 1.0, 1.0), strict=True):
        single.codebook.copy_(size * torch.eye(K, D, dtype=torch.float64))
    first, second = quantizer.quantizers[0].codebook[0], quantizer.quantizers[1].codebook[:2].mean(0)
    toward = torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=torch.float64)
    near = [quantizer.choose((first + second + x * toward)[None, None]).near.item() for x in (1e-4, 1e-2, 0.3)]
    assert near == [True, True, False]


@pytest.mark.parametrize("stage", STAGES)
def test_codes_of_the_first_stages_are_the_sum_of_their_codewords(stage):
    quantizer = make(stage)
    codes = torch.randint(K, (B, T, Q), generator=torch.Generator().manual_seed(2))
    expected = torch.zeros(B, T, D)
    for count in range(1, Q + 1):
        expected = expected + quantizer.quantizers[count - 1].lookup(codes[..., count - 1])
        torch.testing.assert_close(quantizer.lookup(codes[..., :count]), expected)
