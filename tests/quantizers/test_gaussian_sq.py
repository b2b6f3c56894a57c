"""Gaussian SQ against its definition: loops over positions and codewords in float64."""

import math

import pytest
import torch
from torch.func import functional_call

from sqspeech.quantizers import GaussianSQ, GaussianSQConfig
from sqspeech.quantizers.distance import nearest, weighted_distance

B, T, D, K = 2, 3, 4, 5
VARIANTS = ["I", "II", "III", "IV"]
MASKS = {"all real": None, "padded": torch.tensor([[True, True, True], [True, False, False]])}
HOLES = {"holes": torch.tensor([[False, True, True], [True, False, True]])}
masked = pytest.mark.parametrize("mask", [*MASKS.values(), *HOLES.values()], ids=[*MASKS, *HOLES])
each_variance = pytest.mark.parametrize("variance", VARIANTS)


def make(variance: str, **values) -> GaussianSQ:
    torch.manual_seed(0)
    shape = {"codebook_size": K, "codebook_dim": D, "initial_variance": 0.8}
    return GaussianSQ(GaussianSQConfig(**shape | values, variance=variance))


def draw(quantizer: GaussianSQ, *shape: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    torch.manual_seed(1)
    z, extra = torch.randn(*shape, quantizer.dim), torch.randn(*shape, quantizer.extra_channels)
    return z, extra if quantizer.extra_channels else None


def double_leaves(*tensors):
    return [None if x is None else x.detach().double().clone().requires_grad_() for x in tensors]


def oracle_log_variance(variance, scalar, extra, real, b, t, d):
    match variance:
        case "I":
            return scalar
        case "II":
            return scalar + sum(extra[b, s, 0] for s in real) / len(real)
        case "III":
            return scalar + extra[b, t, 0]
        case "IV":
            return scalar + extra[b, t, d]


def oracle(variance, scalar, codebook, z, extra, mask=None, drawn=None):
    """Statistics as float64 scalars that autograd follows, and the posteriors and codes of real positions.

    `drawn` is the z_q that was sampled; without it z_q is the most probable codeword.
    """
    kl = 0.0
    entropies, log_variances, posteriors, codes = [], [], [], []
    for b in range(len(z)):
        real = [t for t in range(z.shape[1]) if mask is None or mask[b, t]]
        for t in real:
            log_variance = [oracle_log_variance(variance, scalar, extra, real, b, t, d) for d in range(D)]
            scores = []
            for k in range(K):
                scores.append(sum(-0.5 * (z[b, t, d] - codebook[k, d]) ** 2 / log_variance[d].exp() for d in range(D)))
            total = sum(s.exp() for s in scores)
            p = [s.exp() / total for s in scores]
            code = max(range(K), key=lambda k: scores[k].item())
            z_q = codebook[code] if drawn is None else drawn[b, t]
            error = sum(0.5 * (z[b, t, d] - z_q[d]) ** 2 / log_variance[d].exp() for d in range(D))
            entropy = -sum(x * x.log() for x in p)
            kl = kl + (error - entropy + math.log(K)) / len(z)
            entropies.append(entropy)
            log_variances.append(sum(log_variance) / D)
            posteriors.append([x.item() for x in p])
            codes.append(code)
    usage = [codes.count(k) / len(codes) for k in range(K)]
    statistics = {
        "kl": kl,
        "entropy": sum(entropies) / len(entropies),
        "log_variance": sum(log_variances) / len(log_variances),
        "batch_perplexity": torch.tensor(math.exp(-sum(p * math.log(p) for p in usage if p))),
    }
    return statistics, posteriors, codes


def real_codes(codes, mask):
    return (codes.flatten() if mask is None else codes[mask]).tolist()


@masked
@each_variance
def test_equals_the_definition_gradient_included(variance, mask):
    quantizer = make(variance).eval()
    z, extra = draw(quantizer, B, T)
    tensors = double_leaves(quantizer.log_variance, quantizer.codebook, z, extra)
    wanted, _, codes = oracle(variance, *tensors, mask)
    leaves = [quantizer.log_variance, quantizer.codebook, z.requires_grad_(), extra]
    if extra is not None:
        extra.requires_grad_()
    result = quantizer(z, extra, mask=mask)
    assert {n: v.item() for n, v in result.statistics.items()} == pytest.approx(
        {n: v.item() for n, v in wanted.items()}, rel=1e-5
    )
    assert result.loss.item() == pytest.approx(wanted["kl"].item(), rel=1e-5)
    assert real_codes(result.codes, mask) == codes
    for name in ("kl", "entropy", "log_variance"):
        used = [(a, b) for a, b in zip(leaves, tensors, strict=True) if a is not None]
        got = torch.autograd.grad(result.statistics[name], [a for a, _ in used], retain_graph=True, allow_unused=True)
        want = torch.autograd.grad(wanted[name], [b for _, b in used], retain_graph=True, allow_unused=True)
        for g, w in zip(got, want, strict=True):
            zero = torch.zeros(1)
            torch.testing.assert_close(
                zero if g is None else g.double(), zero if w is None else w, rtol=1e-4, atol=1e-5
            )


@masked
@each_variance
def test_training_pays_for_what_it_drew(variance, mask):
    quantizer = make(variance).train()
    z, extra = draw(quantizer, B, T)
    result = quantizer(z, extra, 0.7, mask)
    tensors = double_leaves(quantizer.log_variance, quantizer.codebook, z, extra)
    wanted, _, codes = oracle(variance, *tensors, mask, result.z.double())
    assert {n: v.item() for n, v in result.statistics.items()} == pytest.approx(
        {n: v.item() for n, v in wanted.items()}, rel=1e-5
    )
    assert real_codes(result.codes, mask) == codes
    low, high = quantizer.codebook.min(0).values, quantizer.codebook.max(0).values
    assert ((result.z >= low - 1e-6) & (result.z <= high + 1e-6)).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@each_variance
def test_gradient_is_that_of_the_value(variance, mask, training):
    quantizer = make(variance).double().train(training)
    z, extra = (None if x is None else x.double().requires_grad_() for x in draw(quantizer, B, T))

    def values(z, extra, codebook, log_variance):
        torch.manual_seed(2)
        parameters = {"codebook": codebook, "log_variance": log_variance}
        result = functional_call(quantizer, parameters, (z, extra, 0.7, mask))
        return result.loss, result.z, result.statistics["entropy"], result.statistics["log_variance"]

    assert torch.autograd.gradcheck(values, (z, extra, quantizer.codebook, quantizer.log_variance), fast_mode=True)


@pytest.mark.parametrize("shape", [(B, T, D), (B, T, 1), (B, 1, 1), (1, 1, 1)])
def test_gradient_of_the_distance(shape):
    torch.manual_seed(0)
    tensors = (torch.randn(B, T, D), torch.rand(shape) + 0.1, torch.randn(K, D))
    assert torch.autograd.gradcheck(weighted_distance, double_leaves(*tensors))


@each_variance
def test_wide_variance_is_uniform_and_free(variance):
    quantizer = make(variance, initial_variance=1e13)
    for training in (True, False):
        z, extra = draw(quantizer, B, T)
        statistics = quantizer.train(training)(z, extra).statistics
        assert statistics["entropy"].item() == pytest.approx(math.log(K), abs=1e-6)
        assert statistics["kl"].item() == pytest.approx(0, abs=1e-5)


@each_variance
def test_narrow_variance_is_the_nearest_at_log_k_a_position(variance):
    quantizer = make(variance, initial_variance=1e-13).eval()
    codes = torch.tensor([[0, 3, 1], [4, 4, 2]])
    _, extra = draw(quantizer, B, T)
    result = quantizer(quantizer.lookup(codes), extra)
    assert torch.equal(result.codes, codes)
    assert result.statistics["entropy"].item() == pytest.approx(0, abs=1e-6)
    assert result.loss.item() == pytest.approx(T * math.log(K), rel=1e-5)


@pytest.mark.parametrize("variance", VARIANTS[1:])
def test_variants_with_equal_entries_agree(variance):
    one, other = make("I", initial_variance=math.exp(0.7)), make(variance, initial_variance=math.exp(0.4))
    z, _ = draw(one, B, T)
    for mask in MASKS.values():
        for training in (True, False):
            results = []
            for quantizer in (one, other):
                torch.manual_seed(2)
                extra = torch.full((B, T, quantizer.extra_channels), 0.3)
                results.append(quantizer.train(training)(z, extra, mask=mask))
            torch.testing.assert_close(results[1].statistics, results[0].statistics, rtol=1e-5, atol=1e-6)
            real = slice(None) if mask is None else mask
            torch.testing.assert_close(results[1].z[real], results[0].z[real])


def test_a_fixed_variance_stays():
    quantizer = make("I", learn_variance=False, initial_variance=3.0)
    result = quantizer(torch.randn(B, T, D))
    result.loss.backward()
    assert quantizer.log_variance.grad is None
    assert quantizer.codebook.grad is not None
    assert result.statistics["log_variance"].item() == pytest.approx(math.log(3))


@each_variance
def test_sharp_samples_follow_the_posterior(variance):
    quantizer, n = make(variance).train(), 4000
    z, extra = draw(quantizer, 1, 1)
    tensors = double_leaves(quantizer.log_variance, quantizer.codebook, z, extra)
    _, [posterior], _ = oracle(variance, *tensors)
    with torch.no_grad():
        samples = quantizer(z.expand(1, n, -1), None if extra is None else extra.expand(1, n, -1), 1e-4).z[0]
        distance = torch.cdist(samples, quantizer.codebook)
    observed = torch.bincount(distance.argmin(1), minlength=K).double()
    expected = n * torch.tensor(posterior)
    assert distance.min(1).values.median() < 1e-3
    assert ((observed - expected) ** 2 / expected).sum() < 18.47  # 99.9 % at K − 1 = 4 degrees of freedom


def test_hot_samples_are_the_mean_codeword():
    quantizer = make("IV").train()
    sampled = quantizer(*draw(quantizer, B, T), 1e6).z
    torch.testing.assert_close(sampled, quantizer.codebook.mean(0).expand(B, T, D), atol=1e-4, rtol=0)


def codebooks() -> dict[str, torch.Tensor]:
    """512 codewords of 64 dimensions, of norm up to 10, some where the expanded distance cancels most."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(512, 64, generator=generator), dim=1)
    poles = torch.tensor([1.0, -1.0]).repeat(256)[:, None] * unit[:1]
    return {
        "norm 1": unit,
        "norm 10": 10 * unit,
        "far from the origin": 8 * unit[:1] + 2 * unit,
        "two poles": 9.5 * poles + 0.5 * unit,
        "sixteen bunches": 9.9 * unit[:16].repeat(32, 1) + 0.1 * unit,
    }


def exact_codes(z, log_variance, codebook):
    """The same expansion in float64, where it is exact to 1e-10 at these sizes."""
    z, codebook, w = z.double(), codebook.double(), (-log_variance.double()).exp().expand(*z.shape)
    distance = (w * z * z).sum(-1, keepdim=True) - 2 * (w * z) @ codebook.T + w @ (codebook**2).T
    return distance.argmin(-1)


@pytest.mark.parametrize("log_variance", [3.0, 0.0, -4.0, -8.0])
@pytest.mark.parametrize("codebook", codebooks().values(), ids=codebooks())
def test_codes_equal_those_of_double_precision(codebook, log_variance):
    """On 99.99 % of 10,000 latents: near their codeword, between two, and anywhere in the ball of norm 10."""
    torch.manual_seed(0)
    differing, n = 0, 1667
    for width in (1, 64):
        i, j = torch.randint(512, (2, n))
        extra = 0.5 * torch.randn(1, n, width)
        near = codebook[i] + math.exp(log_variance / 2) * torch.randn(n, 64)
        between = torch.lerp(codebook[i], codebook[j], torch.rand(n, 1))
        anywhere = 10 * torch.rand(n, 1) * torch.nn.functional.normalize(torch.randn(n, 64), dim=1)
        for z in (near[None], between[None], anywhere[None]):
            codes = nearest(z, torch.exp(-log_variance - extra), codebook)
            differing += (codes != exact_codes(z, log_variance + extra, codebook)).sum().item()
    assert differing <= 1


def test_evaluation_and_encoding_give_the_precise_codes():
    """As above through the module, whose forward pass and `encode` take different paths."""
    quantizer = make("IV", codebook_size=512, codebook_dim=64, initial_variance=math.exp(-8)).eval()
    codebook = codebooks()["sixteen bunches"]
    quantizer.codebook.data.copy_(codebook)
    torch.manual_seed(0)
    i, j = torch.randint(512, (2, 10_000))
    z = torch.lerp(codebook[i], codebook[j], torch.rand(10_000, 1))[None]
    extra = 0.5 * torch.randn(1, 10_000, 64)
    with torch.no_grad():
        wanted = exact_codes(z, quantizer.log_variance + extra, codebook)
        assert (quantizer(z, extra).codes != wanted).sum() <= 1
        assert (quantizer.encode(z, extra) != wanted).sum() <= 1


def test_distance_equals_the_plain_tensor():
    torch.manual_seed(0)
    codebook = torch.randn(64, 16)
    z = codebook[torch.randint(64, (2, 50))] + 0.05 * torch.randn(2, 50, 16)
    weight = torch.rand(2, 50, 16).exp()
    plain = (weight.double()[:, :, None] * (z.double()[:, :, None] - codebook.double()).square()).sum(-1)
    ours = weighted_distance(z, weight, codebook)
    assert ((ours - plain).abs() / plain.max()).max() < 1e-6


@each_variance
def test_the_initial_scale_is_a_unit_of_length(variance):
    """Scaled with the latents and the variance, the codewords keep the posteriors, the codes and the loss."""
    plain, scaled = make(variance), make(variance, initial_scale=0.1, initial_variance=0.008)
    z, extra = draw(plain, B, T)
    torch.testing.assert_close(scaled.codebook, 0.1 * plain.codebook)
    torch.manual_seed(2)
    expected = plain(z, extra)
    torch.manual_seed(2)
    found = scaled(0.1 * z, extra)
    assert torch.equal(found.codes, expected.codes)
    torch.testing.assert_close(found.loss, expected.loss)
    torch.testing.assert_close(found.z, 0.1 * expected.z)
