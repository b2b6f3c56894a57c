"""Von Mises–Fisher SQ against its definition: loops over positions and codewords in float64."""

import math

import pytest
import torch
from torch.func import functional_call

from sqspeech.quantizers import VmfSQ, VmfSQConfig

B, T, D, K = 2, 3, 4, 5
MASKS = {
    "all real": None,
    "padded": torch.tensor([[True, True, True], [True, False, False]]),
    "holes": torch.tensor([[False, True, True], [True, False, True]]),
}
masked = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def make(**values) -> VmfSQ:
    torch.manual_seed(0)
    return VmfSQ(VmfSQConfig(**{"codebook_size": K, "codebook_dim": D, "initial_kappa": 3.0} | values))


def latents(*shape: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(*shape, D)


def unit(vector):
    length = sum(x * x for x in vector).sqrt()
    return [x / length for x in vector]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def oracle(log_kappa, codebook, z, mask=None, drawn=None):
    """Statistics as float64 scalars that autograd follows, and the posteriors and codes of real positions."""
    kappa, codewords = log_kappa.exp(), [unit(row) for row in codebook]
    kl = 0.0
    entropies, posteriors, codes = [], [], []
    for b in range(len(z)):
        for t in range(z.shape[1]):
            if mask is not None and not mask[b, t]:
                continue
            direction = unit(z[b, t])
            scores = [kappa * dot(direction, codeword) for codeword in codewords]
            total = sum(s.exp() for s in scores)
            p = [s.exp() / total for s in scores]
            code = max(range(K), key=lambda k: scores[k].item())
            z_q = codewords[code] if drawn is None else drawn[b, t]
            entropy = -sum(x * x.log() for x in p)
            kl = kl + (kappa * (1 - dot(direction, z_q)) - entropy + math.log(K)) / len(z)
            entropies.append(entropy)
            posteriors.append([x.item() for x in p])
            codes.append(code)
    usage = [codes.count(k) / len(codes) for k in range(K)]
    statistics = {
        "kl": kl,
        "entropy": sum(entropies) / len(entropies),
        "kappa": kappa,
        "batch_perplexity": torch.tensor(math.exp(-sum(p * math.log(p) for p in usage if p))),
    }
    return statistics, posteriors, codes


def numbers(statistics):
    return {name: value.item() for name, value in statistics.items()}


def real_codes(codes, mask):
    return (codes.flatten() if mask is None else codes[mask]).tolist()


@masked
def test_equals_the_definition_gradient_included(mask):
    quantizer, z = make().eval(), latents(B, T).requires_grad_()
    leaves = [quantizer.log_kappa, quantizer.codebook, z]
    tensors = [x.detach().double().requires_grad_() for x in leaves]
    wanted, _, codes = oracle(*tensors, mask)
    result = quantizer(z, mask=mask)
    assert numbers(result.statistics) == pytest.approx(numbers(wanted), rel=1e-5)
    assert result.loss.item() == pytest.approx(wanted["kl"].item(), rel=1e-5)
    assert real_codes(result.codes, mask) == codes
    for name in ("kl", "entropy"):
        got = torch.autograd.grad(result.statistics[name], leaves, retain_graph=True)
        want = torch.autograd.grad(wanted[name], tensors, retain_graph=True)
        torch.testing.assert_close(got, tuple(w.float() for w in want), rtol=1e-4, atol=1e-5)


@masked
def test_training_pays_for_what_it_drew(mask):
    quantizer, z = make().train(), latents(B, T)
    result = quantizer(z, None, 0.7, mask)
    wanted, _, codes = oracle(
        quantizer.log_kappa.double(), quantizer.codebook.double(), z.double(), mask, result.z.double()
    )
    assert numbers(result.statistics) == pytest.approx(numbers(wanted), rel=1e-5)
    assert result.loss.item() == pytest.approx(wanted["kl"].item(), rel=1e-5)
    assert real_codes(result.codes, mask) == codes
    assert (result.z.norm(dim=-1) <= 1 + 1e-6).all()  # a mixture of unit vectors


@masked
@pytest.mark.parametrize("training", [True, False])
def test_gradient_is_that_of_the_value(mask, training):
    quantizer, z = make().double().train(training), latents(B, T).double().requires_grad_()

    def values(z, codebook, log_kappa):
        torch.manual_seed(2)
        parameters = {"codebook": codebook, "log_kappa": log_kappa}
        result = functional_call(quantizer, parameters, (z, None, 0.7, mask))
        return result.loss, result.z, result.statistics["entropy"], result.statistics["kappa"]

    assert torch.autograd.gradcheck(values, (z, quantizer.codebook, quantizer.log_kappa), fast_mode=True)


@pytest.mark.parametrize("training", [True, False])
def test_only_directions_count(training):
    z, plain, scaled = latents(B, T), make().train(training), make().train(training)
    scaled.codebook.data.mul_(torch.logspace(-3, 3, K)[:, None])
    lengths = torch.logspace(-4, 4, B * T).reshape(B, T, 1)
    torch.manual_seed(2)
    wanted = plain(z)
    torch.manual_seed(2)
    got = scaled(z * lengths)
    torch.testing.assert_close(got.z, wanted.z)
    torch.testing.assert_close(got.statistics, wanted.statistics)
    assert torch.equal(scaled.encode(z * lengths), plain.encode(z))
    torch.testing.assert_close(scaled.lookup(got.codes), plain.lookup(got.codes))


def test_codewords_lie_on_the_sphere():
    quantizer = make(codebook_size=50).eval()
    quantizer.codebook.data.mul_(7)
    torch.testing.assert_close(quantizer.lookup(torch.arange(50)).norm(dim=-1), torch.ones(50))
    torch.testing.assert_close(quantizer(latents(B, T)).z.norm(dim=-1), torch.ones(B, T))


def test_no_concentration_is_uniform_and_free():
    quantizer = make(initial_kappa=1e-7)
    for training in (True, False):
        statistics = quantizer.train(training)(latents(B, T)).statistics
        assert statistics["entropy"].item() == pytest.approx(math.log(K), abs=1e-6)
        assert statistics["kl"].item() == pytest.approx(0, abs=1e-5)


def test_full_concentration_is_the_nearest_at_log_k_a_position():
    quantizer, codes = make(initial_kappa=1e3).eval(), torch.tensor([[0, 3, 1], [4, 4, 2]])
    result = quantizer(5 * quantizer.lookup(codes))
    assert torch.equal(result.codes, codes)
    assert result.statistics["entropy"].item() == pytest.approx(0, abs=1e-6)
    assert result.loss.item() == pytest.approx(T * math.log(K), abs=2e-3)  # κ times single precision's rounding


def test_sharp_samples_follow_the_posterior():
    quantizer, z, n = make().train(), latents(1, 1), 4000
    _, [posterior], _ = oracle(quantizer.log_kappa.double(), quantizer.codebook.double(), z.double())
    with torch.no_grad():
        samples = quantizer(z.expand(1, n, -1), None, 1e-4).z[0]
        drawn = torch.cdist(samples, quantizer.lookup(torch.arange(K))).argmin(1)
    observed, expected = torch.bincount(drawn, minlength=K).double(), n * torch.tensor(posterior)
    assert ((observed - expected) ** 2 / expected).sum() < 18.47  # 99.9 % at K − 1 = 4 degrees of freedom


@pytest.mark.parametrize("training", [True, False])
def test_a_latent_of_zeros_has_no_direction_and_does_no_harm(training):
    quantizer, z = make().train(training), latents(B, T)
    z[0, 1] = 0
    z.requires_grad_()
    result = quantizer(z)
    result.loss.backward()
    assert result.loss.isfinite()
    for gradient in (z.grad, quantizer.codebook.grad, quantizer.log_kappa.grad):
        assert gradient.isfinite().all()


def test_codes_equal_those_of_double_precision():
    """On at least 99.99 % of latents near a codeword and anywhere."""
    quantizer = make(codebook_size=512, codebook_dim=64)
    codebook = quantizer.codebook.detach()
    torch.manual_seed(3)
    near = codebook[torch.randint(512, (5000,))] + 0.5 * torch.randn(5000, 64)
    z = torch.cat([near, torch.randn(5000, 64)])[None]
    lengths = codebook.double().square().sum(1).sqrt()
    wanted = (z[0].double() @ codebook.double().T / lengths).argmax(-1)
    assert (quantizer.encode(z)[0] != wanted).sum() <= 1
