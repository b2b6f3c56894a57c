"""VQ-EMA against its definition: loops over positions and codewords in float64, over several steps."""

import math

import pytest
import torch

from sqspeech.quantizers import VqEma, VqEmaConfig

B, T, D, K = 3, 4, 2, 5
RAGGED = torch.arange(T) < torch.tensor([4, 1, 2])[:, None]
masked = pytest.mark.parametrize("mask", [None, RAGGED], ids=["all real", "padded"])


def make(**values) -> VqEma:
    torch.manual_seed(0)
    quantizer = VqEma(VqEmaConfig(**{"codebook_size": K, "codebook_dim": D, "decay": 0.8} | values))
    return place(quantizer, torch.randn(K, D))


def place(quantizer: VqEma, codebook: torch.Tensor) -> VqEma:
    """Move the codewords, as if they had started there."""
    quantizer.codebook.copy_(codebook)
    quantizer.sums.copy_(codebook)
    return quantizer


def batches(n: int, *shape: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(*(shape or (B, T)), D) for _ in range(n)]


class Oracle:
    """The codebook as lists of floats."""

    def __init__(self, quantizer: VqEma) -> None:
        self.decay = quantizer.config.decay
        self.codebook = quantizer.codebook.double().tolist()
        self.counts = [1.0] * K
        self.sums = [list(row) for row in self.codebook]
        self.unused = [0] * K

    def step(self, z, mask) -> tuple[list[int], float]:
        """Return the codes and the commitment of real positions, and then move the codebook."""
        latents = [z[b][t].tolist() for b in range(B) for t in range(T) if mask is None or mask[b, t]]
        distances = [[sum((x - y) ** 2 for x, y in zip(v, row, strict=True)) for row in self.codebook] for v in latents]
        codes = [row.index(min(row)) for row in distances]
        n = [codes.count(k) for k in range(K)]
        total = [[sum(v[d] for v, c in zip(latents, codes, strict=True) if c == k) for d in range(D)] for k in range(K)]
        for k in range(K):
            self.counts[k] = self.decay * self.counts[k] + (1 - self.decay) * n[k]
            self.unused[k] = 0 if n[k] else self.unused[k] + 1
            for d in range(D):
                self.sums[k][d] = self.decay * self.sums[k][d] + (1 - self.decay) * total[k][d]
        size = sum(self.counts)
        for k in range(K):
            smoothed = (self.counts[k] + 1e-5) / (size + K * 1e-5) * size
            self.codebook[k] = [x / smoothed for x in self.sums[k]]
        return codes, sum(min(row) for row in distances) / (len(latents) * D)


def assert_state(quantizer: VqEma, oracle: Oracle) -> None:
    for name in ("counts", "sums", "codebook"):
        wanted = torch.tensor(getattr(oracle, name))
        torch.testing.assert_close(getattr(quantizer, name), wanted, rtol=1e-5, atol=1e-6, msg=name)
    assert quantizer.unused.tolist() == oracle.unused


@masked
def test_follows_a_loop_over_several_steps(mask):
    quantizer = make().train()
    oracle = Oracle(quantizer)
    for z in batches(8):
        result = quantizer(z, mask=mask)
        codes, commitment = oracle.step(z, mask)
        assert (result.codes.flatten() if mask is None else result.codes[mask]).tolist() == codes
        usage = [codes.count(k) / len(codes) for k in range(K)]
        assert result.statistics["commitment"].item() == pytest.approx(commitment, rel=1e-5)
        assert result.loss.item() == pytest.approx(0.25 * commitment, rel=1e-5)
        assert result.statistics["batch_perplexity"].item() == pytest.approx(
            math.exp(-sum(p * math.log(p) for p in usage if p)), rel=1e-5
        )
        assert_state(quantizer, oracle)


@pytest.mark.parametrize("filler", [1e30, math.nan])
def test_padding_moves_nothing(filler):
    quantizer = make().train()
    oracle = Oracle(quantizer)
    for z in batches(3):
        oracle.step(z, RAGGED)
        quantizer(z.masked_fill(~RAGGED[:, :, None], filler), mask=RAGGED)
        assert_state(quantizer, oracle)


def test_a_step_without_a_real_position_only_forgets():
    quantizer = make().train()
    codebook = quantizer.codebook.clone()
    with torch.no_grad():
        quantizer(batches(1)[0], mask=torch.tensor([[False] * T] * B))
    torch.testing.assert_close(quantizer.counts, torch.full((K,), 0.8))
    torch.testing.assert_close(quantizer.codebook, codebook, rtol=1e-4, atol=1e-5)


def test_evaluation_moves_nothing():
    quantizer = make(reset=True, reset_after=1).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    assert before.keys() == {"codebook", "counts", "sums", "unused"}
    for z in batches(3):
        quantizer(z)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


def test_smoothing_takes_a_forgotten_codeword_to_the_origin_and_not_to_infinity():
    quantizer = place(make(decay=0.1), torch.tensor([[20.0, -20.0], *[[50.0, 50.0]] * (K - 1)])).train()
    for z in batches(60):  # 0.1 to the 60th is below what single precision has
        quantizer(z + torch.tensor([20.0, -20.0]))
    assert quantizer.counts[1:].max() < 1e-38
    torch.testing.assert_close(quantizer.codebook[1:], torch.zeros(K - 1, D))
    smoothed = (quantizer.counts[0] + 1e-5) / (B * T + K * 1e-5) * B * T
    torch.testing.assert_close(quantizer.codebook[0], quantizer.sums[0] / smoothed)


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_goes_straight_through(training):
    quantizer, [z, weight] = make().train(training), batches(2)
    z.requires_grad_()
    result = quantizer(z)
    (result.z * weight).sum().backward()
    torch.testing.assert_close(z.grad, weight, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_the_quantised_latents_are_the_codewords_of_before(training):
    quantizer, [z] = make().train(training), batches(1)
    before = quantizer.codebook.clone()
    result = quantizer(z)
    torch.testing.assert_close(result.z, before[result.codes])
    assert torch.equal(before, quantizer.codebook) != training


@masked
def test_the_loss_pulls_the_latents_and_not_the_codebook(mask):
    quantizer, [z] = make(commitment=0.5).train(), batches(1)
    codebook = quantizer.codebook.clone()
    z.requires_grad_()
    result = quantizer(z, mask=mask)
    result.loss.backward()
    real = torch.ones(B, T, dtype=torch.bool) if mask is None else mask
    wanted = 0.5 * 2 * (z.detach() - codebook[result.codes]) / (real.sum() * D)
    torch.testing.assert_close(z.grad, wanted * real[:, :, None])
    assert not list(quantizer.parameters())
    assert not quantizer.codebook.requires_grad
    assert quantizer.codebook.grad is None


def with_dead(*dead: int, **values) -> VqEma:
    """Return a quantiser whose codewords `dead` no latent will choose."""
    quantizer = make(reset=True, **values).train()
    codebook = quantizer.codebook.clone()
    codebook[list(dead)] = 100.0 + torch.arange(len(dead), dtype=torch.float32)[:, None]
    return place(quantizer, codebook)


def is_one_of(codeword: torch.Tensor, latents: torch.Tensor) -> bool:
    return bool(((codeword - latents).abs().amax(-1) < 1e-3).any())


def test_reset_revives_the_dead_after_their_time_and_never_the_living():
    quantizer = with_dead(1, 4, reset_after=3)
    oracle = Oracle(quantizer)
    live = torch.tensor([0, 2, 3])
    for step, z in enumerate(batches(3, B, 40)):
        grid = z[:, :T]  # the oracle's size
        grid[0, :3] = torch.tensor(oracle.codebook)[live]  # each living codeword is chosen
        result = quantizer(grid)
        oracle.step(grid, None)
        assert set(result.codes.flatten().tolist()) == {0, 2, 3}
        if step < 2:
            assert_state(quantizer, oracle)
    for name in ("codebook", "sums", "counts"):
        torch.testing.assert_close(
            getattr(quantizer, name)[live], torch.tensor(getattr(oracle, name))[live], rtol=1e-4, atol=1e-4, msg=name
        )
    for code in (1, 4):
        assert is_one_of(quantizer.codebook[code], grid.flatten(0, 1))
    assert quantizer.unused.tolist() == [0] * K


def test_a_revived_codeword_stays_until_it_is_chosen_and_then_lives():
    quantizer = with_dead(1, reset_after=1, decay=0.9)
    [first] = batches(1)
    quantizer(first)
    revived = quantizer.codebook[1].clone()
    quantizer(revived.expand(B, T, D) + 0.0)
    assert is_one_of(revived, first.flatten(0, 1))
    torch.testing.assert_close(quantizer.codebook[1], revived, rtol=1e-3, atol=1e-3)
    assert quantizer.unused[1] == 0


def test_without_reset_the_dead_stay():
    quantizer = make(reset=False, reset_after=1).train()
    codebook = quantizer.codebook.clone()
    codebook[1] = 100.0
    place(quantizer, codebook)
    for z in batches(5):
        quantizer(z)
    assert quantizer.codebook[1].min() > 90
    assert quantizer.unused[1] == 5


@pytest.mark.parametrize("filler", [77.0, math.nan])
def test_reset_draws_from_real_positions_even_when_they_are_few(filler):
    quantizer = with_dead(0, 1, 2, 3, reset_after=1)
    [z] = batches(1)
    mask = torch.zeros(B, T, dtype=torch.bool)
    mask[1, 2] = True  # one latent for four dead codewords
    quantizer(z.masked_fill(~mask[:, :, None], filler), mask=mask)
    for code in range(4):
        assert is_one_of(quantizer.codebook[code], z[1, 2:3])


def test_reset_draws_all_latents_alike():
    quantizer = VqEma(VqEmaConfig(codebook_size=2000, codebook_dim=D, decay=0.9, reset=True, reset_after=1))
    place(quantizer, torch.cat([torch.zeros(1, D), torch.full((1999, D), 1e3)])).train()
    latents = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.manual_seed(0)
    quantizer(latents[None])
    drawn = torch.cdist(quantizer.codebook[1:], latents).argmin(1)
    observed = torch.bincount(drawn, minlength=4).double()
    assert ((observed - 1999 / 4) ** 2 / (1999 / 4)).sum() < 16.27  # 99.9 % at 3 degrees of freedom


def test_codes_equal_those_of_double_precision():
    """On 99.99 % of latents, near a codeword and anywhere, with all codewords far from the origin too."""
    for norm, offset in [(1.0, 0.0), (10.0, 0.0), (2.0, 1.0)]:
        quantizer = VqEma(VqEmaConfig())
        torch.manual_seed(0)
        codebook = norm * torch.nn.functional.normalize(torch.randn(512, 64), dim=1) + offset
        place(quantizer, codebook)
        near = codebook[torch.randint(512, (5000,))] + 0.1 * torch.randn(5000, 64)
        z = torch.cat([near, norm * torch.randn(5000, 64) / 8 + offset])[None]
        exact = (z[0].double().square().sum(1, keepdim=True) - 2 * z[0].double() @ codebook.double().T) + (
            codebook.double().square().sum(1)
        )
        assert (quantizer.encode(z)[0] != exact.argmin(-1)).sum() <= 1


def rotation_matrix(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """The rotation in the plane of two unit vectors that takes one to the other and leaves what is perpendicular."""
    other = end - (end @ start) * start
    other = other / other.norm()
    cosine, sine = end @ start, end @ other
    plane = torch.stack([start, other])
    turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=start.dtype)
    return torch.eye(len(start), dtype=start.dtype) - plane.T @ plane + plane.T @ turn @ plane


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_is_turned_and_scaled_as_the_latent_is(training):
    torch.manual_seed(0)
    plain, rotated = (
        VqEma(VqEmaConfig(codebook_size=K, codebook_dim=6, rotation=rotation)).train(training)
        for rotation in (False, True)
    )
    codebook = torch.randn(K, 6)
    for quantizer in (plain, rotated):
        place(quantizer, codebook)
    z, weight = torch.randn(B, T, 6, requires_grad=True), torch.randn(B, T, 6)
    result = rotated(z)
    assert torch.equal(result.codes, plain(z).codes)
    torch.testing.assert_close(result.z, codebook[result.codes])
    (result.z * weight).sum().backward()
    for b in range(B):
        for t in range(T):
            latent, codeword = z[b, t].detach().double(), codebook[result.codes[b, t]].double()
            R = rotation_matrix(latent / latent.norm(), codeword / codeword.norm())
            torch.testing.assert_close(R @ latent * codeword.norm() / latent.norm(), codeword)
            wanted = codeword.norm() / latent.norm() * R.T @ weight[b, t].double()
            torch.testing.assert_close(z.grad[b, t].double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, -1.0, 0.0])
def test_the_rotation_is_finite_along_and_against_a_codeword_and_at_the_origin(factor):
    quantizer = place(make(rotation=True), torch.tensor([[1.0, 2.0]] * K)).eval()
    z = (factor * quantizer.codebook[:1, None]).requires_grad_()
    result = quantizer(z)
    torch.testing.assert_close(result.z, quantizer.codebook[:1, None])
    result.z.sum().backward()
    assert z.grad.isfinite().all()
