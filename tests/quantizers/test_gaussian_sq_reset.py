"""Codewords of a Gaussian SQ that begin as latents, and are drawn again when no latent chooses them."""

import pytest
import torch

from sqspeech.quantizers import GaussianSQ, GaussianSQConfig

B, T, D, K = 3, 8, 2, 5


def make(**values) -> GaussianSQ:
    torch.manual_seed(0)
    defaults = {"codebook_size": K, "codebook_dim": D, "variance": "I", "initial_variance": 0.01, "reset": True}
    return GaussianSQ(GaussianSQConfig(**defaults | values)).train()


def latents(seed: int = 1) -> torch.Tensor:
    return torch.randn(B, T, D, generator=torch.Generator().manual_seed(seed))


def are_among(codewords: torch.Tensor, z: torch.Tensor) -> bool:
    return bool((torch.cdist(codewords, z.reshape(-1, D)).amin(1) < 1e-6).all())


def test_the_codebook_begins_as_latents_of_the_first_batch():
    quantizer, z = make(), latents()
    quantizer(z)
    assert are_among(quantizer.codebook, z)
    assert not are_among(quantizer.codebook, latents(2))
    assert len(quantizer.codebook.unique(dim=0)) == K  # no latent twice


@pytest.mark.parametrize("after", [1, 3])
def test_the_dead_are_drawn_again_after_their_time_and_never_the_living(after):
    quantizer = make(reset_after=after)
    quantizer(latents())
    living = torch.tensor([[0.0, 0.0], [5.0, 5.0], [-5.0, 5.0]])
    with torch.no_grad():
        quantizer.codebook.copy_(torch.cat([living, torch.full((2, D), 100.0)]))
        quantizer.unused.zero_()
    z = living[torch.arange(B * T) % 3].reshape(B, T, D) + 0.1 * latents(3)
    for step in range(after + 1):
        codes = quantizer(z).codes
        assert torch.equal(quantizer.codebook[:3], living)
        if step < after:
            assert quantizer.codebook[3:].amin() == 100
            assert codes.unique().tolist() == [0, 1, 2]
    assert are_among(quantizer.codebook[3:], z)


def test_they_are_drawn_from_real_positions_only_and_not_where_there_are_none():
    quantizer, z = make(), latents()
    before = quantizer.codebook.detach().clone()
    quantizer(z, mask=torch.zeros(B, T, dtype=torch.bool))
    assert torch.equal(quantizer.codebook, before)
    mask = torch.zeros(B, T, dtype=torch.bool)
    mask[1, 2] = True
    quantizer(z.masked_fill(~mask[:, :, None], 77.0), mask=mask)
    torch.testing.assert_close(quantizer.codebook, z[1, 2].expand(K, D))


def test_the_loss_has_its_gradient_as_without_reset():
    plain, resetting, z = make(reset=False), make(), latents()
    with torch.no_grad():
        resetting.unused.zero_()
        resetting.codebook.copy_(plain.codebook)
    gradients = []
    for quantizer in (plain, resetting):
        torch.manual_seed(2)
        if quantizer is plain:
            torch.rand(B, T)  # so that both draw the same noise afterwards
        quantizer(z, None, 0.8).loss.backward()
        gradients.append(quantizer.codebook.grad)
    assert torch.equal(*gradients)


def test_eval_mode_draws_nothing_again_and_a_checkpoint_without_reset_has_nothing_more():
    quantizer = make().eval()
    before = quantizer.codebook.detach().clone()
    quantizer(latents())
    assert torch.equal(quantizer.codebook, before)
    assert "unused" in quantizer.state_dict()
    assert "unused" not in make(reset=False).state_dict()
