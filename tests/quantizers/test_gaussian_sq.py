"""The quantiser against its definition, in loops over positions and codewords, in float64."""

import math

import numpy as np
import pytest
import torch

from sqspeech.quantizers import GaussianSQ, GaussianSQConfig
from sqspeech.quantizers.gaussian_sq import weighted_distance

B, T, D, K = 2, 3, 4, 5
VARIANTS = ["I", "II", "III", "IV"]


def make(variance: str, size: int = K, dim: int = D) -> GaussianSQ:
    torch.manual_seed(0)
    return GaussianSQ(GaussianSQConfig(codebook_size=size, codebook_dim=dim, variance=variance))


def draw(quantizer: GaussianSQ, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    dim = quantizer.config.codebook_dim
    return torch.randn(*shape, dim), torch.randn(*shape, quantizer.variance_channels)


def oracle_variance(quantizer: GaussianSQ, logits: np.ndarray, b: int, t: int, d: int) -> float:
    scalar = quantizer.log_variance.item()
    match quantizer.config.variance:
        case "I":
            return math.exp(scalar)
        case "II":
            return math.exp(scalar + sum(logits[b, s, 0] for s in range(T)) / T)
        case "III":
            return math.exp(scalar + logits[b, t, 0])
        case _:
            return math.exp(scalar + logits[b, t, d])


def oracle(quantizer: GaussianSQ, z: torch.Tensor, logits: torch.Tensor) -> tuple[float, float, list, list]:
    """KL to the uniform prior, mean entropy, codes, posterior: reference.md-style sums, nothing vectorised."""
    codebook = quantizer.codebook.detach().double().numpy()
    zs, ls = z.double().numpy(), logits.double().numpy()
    kl = entropy = 0.0
    codes, posteriors = [], []
    for b in range(B):
        for t in range(T):
            variance = [oracle_variance(quantizer, ls, b, t, d) for d in range(D)]
            scores = [-0.5 * sum((zs[b, t, d] - codebook[k, d]) ** 2 / variance[d] for d in range(D)) for k in range(K)]
            total = sum(math.exp(s) for s in scores)
            p = [math.exp(s) / total for s in scores]
            h = -sum(x * math.log(x) for x in p if x > 0)
            code = max(range(K), key=lambda k: scores[k])
            error = sum((zs[b, t, d] - codebook[code, d]) ** 2 / variance[d] for d in range(D)) / 2
            kl += (error - h + math.log(K)) / B
            entropy += h / (B * T)
            codes.append(code)
            posteriors.append(p)
    return kl, entropy, codes, posteriors


@pytest.mark.parametrize("variance", VARIANTS)
def test_equals_the_definition(variance):
    quantizer = make(variance).eval()
    z, logits = draw(quantizer, B, T)
    kl, entropy, codes, _ = oracle(quantizer, z, logits)
    result = quantizer(z, logits)
    assert result.loss.item() == pytest.approx(kl, rel=1e-5)
    assert result.entropy.item() == pytest.approx(entropy, rel=1e-5)
    assert result.codes.flatten().tolist() == codes == quantizer.encode(z, logits).flatten().tolist()
    np.testing.assert_array_equal(result.z.detach(), quantizer.codebook.detach()[result.codes])


@pytest.mark.parametrize("variance", VARIANTS)
def test_training_draws_from_the_codebook_s_hull_and_pays_for_what_it_drew(variance):
    quantizer = make(variance).train()
    z, logits = draw(quantizer, B, T)
    result = quantizer(z, logits, 0.7)
    deterministic, entropy, codes, _ = oracle(quantizer, z, logits)
    kl = B * deterministic
    for i, (b, t) in enumerate((b, t) for b in range(B) for t in range(T)):
        for d in range(D):
            wanted, sigma2 = z[b, t, d].item(), oracle_variance(quantizer, logits.double().numpy(), b, t, d)
            drawn, nearest = result.z[b, t, d].item(), quantizer.codebook[codes[i], d].item()
            kl += ((wanted - drawn) ** 2 - (wanted - nearest) ** 2) / (2 * sigma2)
    assert result.loss.item() == pytest.approx(kl / B, rel=1e-4)
    assert result.entropy.item() == pytest.approx(entropy, rel=1e-5)
    low, high = quantizer.codebook.min(0).values, quantizer.codebook.max(0).values
    assert ((result.z >= low - 1e-6) & (result.z <= high + 1e-6)).all()


@pytest.mark.parametrize("variance", VARIANTS)
def test_gradient_is_that_of_the_value(variance):
    quantizer = make(variance).double()
    z, logits = (x.double().requires_grad_() for x in draw(quantizer, B, T))

    def distance(z, logits, codebook):
        weight = (
            torch.exp(-(quantizer.log_variance + logits))
            if quantizer.variance_channels
            else torch.ones(1, 1, 1).double()
        )
        return weighted_distance(z, weight if variance != "II" else weight.mean(1, keepdim=True), codebook)

    assert torch.autograd.gradcheck(distance, (z, logits, quantizer.codebook.detach().requires_grad_()))


def test_the_codebook_and_the_variance_learn_by_gradient():
    quantizer = make("IV").train()
    z, logits = (x.requires_grad_() for x in draw(quantizer, B, T))
    result = quantizer(z, logits, 0.5)
    (result.loss + result.z.sum()).backward()
    for tensor in (z, logits, quantizer.codebook, quantizer.log_variance):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


@pytest.mark.parametrize("variance", ["I", "III", "IV"])
def test_limits_of_the_variance(variance):
    quantizer = make(variance).eval()
    z, logits = draw(quantizer, B, T)
    with torch.no_grad():
        quantizer.log_variance.fill_(30.0)
        wide = quantizer(z, 0 * logits)
        quantizer.codebook[0] = z[0, 0]
        quantizer.log_variance.fill_(-30.0)
        narrow = quantizer(z[:1, :1], 0 * logits[:1, :1])
    assert wide.entropy.item() == pytest.approx(math.log(K), abs=1e-6)
    assert wide.loss.item() == pytest.approx(0, abs=1e-5)
    assert narrow.entropy.item() == pytest.approx(0, abs=1e-6)
    assert narrow.loss.item() == pytest.approx(math.log(K), abs=1e-5)


def test_variants_with_equal_entries_agree():
    one = make("I").eval()
    z, _ = draw(one, B, T)
    with torch.no_grad():
        one.log_variance.fill_(0.7)
    for variance in ("II", "III", "IV"):
        other = make(variance).eval()
        other.load_state_dict(one.state_dict() | {"log_variance": torch.tensor(0.4)})
        result = other(z, torch.full((B, T, other.variance_channels), 0.3))
        assert result.loss.item() == pytest.approx(one(z, torch.empty(B, T, 0)).loss.item(), rel=1e-5)


def test_sharp_samples_follow_the_posterior():
    quantizer = make("IV").train()
    z, logits = draw(quantizer, B, T)
    _, _, _, posteriors = oracle(quantizer, z, logits)
    n = 4000
    with torch.no_grad():
        samples = quantizer(z[:1, :1].expand(1, n, -1), logits[:1, :1].expand(1, n, -1), 1e-4).z[0]
        drawn = torch.cdist(samples, quantizer.codebook).argmin(1)
    observed = torch.bincount(drawn, minlength=K).double().numpy()
    expected = n * np.array(posteriors[0])
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert chi_square < 18.47  # the 99.9 % quantile at K − 1 = 4 degrees of freedom


def test_distance_equals_the_plain_tensor_and_is_not_negative_where_it_matters():
    torch.manual_seed(0)
    codebook = torch.randn(64, 16)
    z = codebook[torch.randint(64, (2, 50))] + 0.05 * torch.randn(2, 50, 16)
    weight = torch.rand(2, 50, 16).exp()
    plain = (weight.double()[:, :, None] * (z.double()[:, :, None] - codebook.double()).square()).sum(-1)
    ours = weighted_distance(z, weight, codebook)
    assert (ours.argmin(-1) == plain.argmin(-1)).all()
    assert ((ours - plain).abs() / plain.max()).max() < 1e-6


def test_stays_in_single_precision_under_autocast():
    quantizer = make("IV").eval()
    z, logits = draw(quantizer, B, T)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = quantizer(z, logits)
    assert mixed.z.dtype == mixed.loss.dtype == torch.float32
    assert mixed.loss.item() == quantizer(z, logits).loss.item()


@pytest.mark.parametrize("values", [{"codebook_size": 1}, {"codebook_dim": 0}, {"variance": "V"}])
def test_bad_configurations_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        GaussianSQConfig(**values)
