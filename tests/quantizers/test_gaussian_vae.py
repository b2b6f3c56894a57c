"""The VAE's latent against torch.distributions and against a loop in float64."""

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence

from sqspeech.quantizers import GaussianVae, GaussianVaeConfig

B, T, D = 2, 3, 4
MASKS = {
    "all real": None,
    "padded": torch.tensor([[True, True, True], [True, False, False]]),
    "holes": torch.tensor([[False, True, True], [True, False, True]]),
}
masked = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
either_mode = pytest.mark.parametrize("training", [True, False])


def make() -> GaussianVae:
    return GaussianVae(GaussianVaeConfig(latent_dim=D))


def draw(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(*shape, D), torch.randn(*shape, D)


@masked
@either_mode
def test_kl_equals_a_loop(mask, training):
    mean, log_variance = draw(B, T)
    result = make().train(training)(mean, log_variance, mask=mask)
    kl, real = 0.0, []
    for b in range(B):
        for t in range(T):
            if mask is not None and not mask[b, t]:
                continue
            for d in range(D):
                m, v = mean[b, t, d].item(), log_variance[b, t, d].item()
                kl += 0.5 * (m**2 + math.exp(v) - 1 - v) / B
                real.append(v)
    assert result.loss.item() == result.statistics["kl"].item() == pytest.approx(kl, rel=1e-5)
    assert result.statistics["log_variance"].item() == pytest.approx(sum(real) / len(real), rel=1e-5)


def test_kl_equals_that_of_torch_distributions():
    mean, log_variance = draw(B, T)
    posterior = Normal(mean.double(), (0.5 * log_variance.double()).exp())
    wanted = kl_divergence(posterior, Normal(0.0, 1.0)).sum((1, 2)).mean()
    assert make()(mean, log_variance).loss.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_the_prior_is_free():
    assert make()(torch.zeros(B, T, D), torch.zeros(B, T, D)).loss.item() == 0


def test_evaluation_gives_the_mean():
    mean, log_variance = draw(B, T)
    result = make().eval()(mean, log_variance)
    assert torch.equal(result.z, mean)
    assert result.codes is None


def test_training_draws_from_the_posterior():
    mean, log_variance = draw(1, 1)
    n = 4000
    drawn = make().train()(mean.expand(1, n, D), log_variance.expand(1, n, D)).z[0]
    for d in range(D):
        posterior = stats.norm(mean[0, 0, d].item(), math.exp(0.5 * log_variance[0, 0, d].item()))
        assert stats.kstest(drawn[:, d].numpy(), posterior.cdf).pvalue > 1e-3
    correlation = torch.corrcoef(drawn.T) - torch.eye(D)
    assert correlation.abs().max() < 4 / math.sqrt(n)


def test_the_sample_is_differentiable_in_mean_and_variance():
    mean, log_variance = (x.requires_grad_() for x in draw(B, T))
    z = make().train()(mean, log_variance).z
    z.sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(B, T, D))
    torch.testing.assert_close(log_variance.grad, 0.5 * (z - mean).detach())


@masked
@either_mode
def test_gradient_is_that_of_the_value(mask, training):
    quantizer = make().train(training)

    def values(mean, log_variance):
        torch.manual_seed(2)
        result = quantizer(mean, log_variance, mask=mask)
        return result.loss, result.z, result.statistics["log_variance"]

    leaves = tuple(x.double().requires_grad_() for x in draw(B, T))
    assert torch.autograd.gradcheck(values, leaves, fast_mode=True)
