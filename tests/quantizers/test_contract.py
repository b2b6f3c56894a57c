"""The contract of every quantiser: shapes, names, modes, precision, and its configuration's bounds."""

import math

import pytest
import torch

from sqspeech.errors import ConfigError
from sqspeech.quantizers import (
    QUANTIZERS,
    FSQConfig,
    GaussianSQ,
    GaussianSQConfig,
    GaussianVae,
    GaussianVaeConfig,
    Quantizer,
    ResidualConfig,
    SimVQConfig,
    VmfSQConfig,
    VqEmaConfig,
    build_quantizer,
)

STATISTICS = {
    "gaussian_sq": {"kl", "entropy", "log_variance", "batch_perplexity"},
    "vmf_sq": {"kl", "entropy", "kappa", "batch_perplexity"},
    "vq_ema": {"commitment", "batch_perplexity"},
    "gaussian_vae": {"kl", "log_variance"},
    "fsq": {"batch_perplexity"},
    "sim_vq": {"commitment", "batch_perplexity"},
}
DRAWN = {"gaussian_sq", "vmf_sq", "gaussian_vae"}


def has_codebook(quantizer) -> bool:
    return not isinstance(quantizer, GaussianVae)


def one_stage(quantizer):
    """The configuration of a stage."""
    return getattr(quantizer.config, "quantizer", quantizer.config)


def statistics(quantizer) -> set[str]:
    each = {f"batch_perplexity_{q}" for q in range(1, quantizer.stages + 1)} if quantizer.stages > 1 else set()
    return STATISTICS[one_stage(quantizer).name] | each


def of_stages(quantizer, *shape: int) -> tuple[int, ...]:
    return (*shape, quantizer.stages) if quantizer.stages > 1 else shape


def test_every_registered_quantiser_is_tested(all_builds):
    assert {build(5, 4).config.name for build in all_builds.values()} == set(QUANTIZERS.names())


def test_the_contract_is_complete(build):
    assert isinstance(build(), Quantizer)


def results(quantizer, z, extra, *, mixed=False):
    """Every number that a training step makes: outputs, loss, statistics and gradients."""
    torch.manual_seed(2)
    leaves = [None if x is None else x.detach().clone().requires_grad_() for x in (z, extra)]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        quantized = quantizer(*leaves, 0.8)
    (quantized.loss + quantized.z.float().square().sum()).backward()
    gradients = [p.grad for p in [*leaves, *quantizer.parameters()] if p is not None and p.grad is not None]
    return [quantized.z, quantized.loss, *quantized.statistics.values(), *gradients]


@pytest.mark.parametrize("training", [True, False])
def test_shapes_and_names(build, draw, training):
    quantizer = build(K=7, D=3).train(training)
    z, extra = draw(quantizer, 2, 6)
    result = quantizer(z, extra)
    assert quantizer.dim == 3
    assert result.z.shape == z.shape
    assert result.loss.shape == ()
    assert result.statistics.keys() == statistics(quantizer)
    assert all(value.shape == () and value.isfinite() for value in result.statistics.values())
    if has_codebook(quantizer):
        K = math.prod(quantizer.config.levels) if quantizer.config.name == "fsq" else 7
        assert quantizer.codebook_size == K
        assert quantizer.stages == getattr(quantizer.config, "stages", 1)
        assert result.codes.shape == of_stages(quantizer, 2, 6)
        assert 0 <= result.codes.min() <= result.codes.max() < K
        assert 1 <= result.statistics["batch_perplexity"] <= K
    else:
        assert quantizer.codebook_size is None
        assert result.codes is None


def test_extra_channels(build):
    quantizer = build(K=7, D=3)
    config = one_stage(quantizer)
    wanted = {"gaussian_sq": {"I": 0, "II": 1, "III": 1, "IV": 3}, "gaussian_vae": {None: 3}}
    assert quantizer.extra_channels == wanted.get(config.name, {None: 0})[getattr(config, "variance", None)]


def test_the_loss_is_the_kl_that_is_logged(build, draw):
    quantizer = build()
    result = quantizer(*draw(quantizer, 2, 6))
    if quantizer.config.in_nats:
        assert result.loss.item() == result.statistics["kl"].item() >= 0
    else:
        # SimVQ pulls both ways: the latents with a quarter of the weight of the codewords.
        weight = {"vq_ema": 0.25, "sim_vq": 1.25, "fsq": 0.0}[one_stage(quantizer).name] * quantizer.stages
        commitment = result.statistics.get("commitment", torch.tensor(0.0))
        assert result.loss.item() == pytest.approx(weight * commitment.item(), rel=1e-6)


def test_eval_mode_is_deterministic_and_takes_the_codewords(build, draw):
    quantizer = build().eval()
    z, extra = draw(quantizer, 2, 6)
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    first, second = quantizer(z, extra, 0.3), quantizer(z, extra, 1.0)
    assert torch.equal(first.z, second.z)
    assert first.loss == second.loss
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    if has_codebook(quantizer):
        assert torch.equal(first.codes, quantizer.encode(z, extra))
        torch.testing.assert_close(first.z, quantizer.lookup(first.codes))
    else:
        assert torch.equal(first.z, z)


def test_training_draws_anew(build, draw):
    quantizer = build()
    if one_stage(quantizer).name not in DRAWN:
        pytest.skip("nothing is drawn")
    z, extra = draw(quantizer, 2, 6)
    assert not torch.equal(quantizer(z, extra).z, quantizer(z, extra).z)


def test_lookup_keeps_any_shape(build):
    quantizer = build(K=5, D=4)
    if not has_codebook(quantizer):
        with pytest.raises(ConfigError, match="gaussian_vae has no codebook"):
            quantizer.lookup(torch.tensor([0]))
        with pytest.raises(ConfigError, match="gaussian_vae has no codebook"):
            quantizer.encode(torch.zeros(1, 1, 4))
        return
    flat = torch.randint(5, of_stages(quantizer, 12))
    rows = torch.stack([quantizer.lookup(code) for code in flat])
    for shape in [(12,), (3, 4), (3, 2, 2)]:
        codes = flat.reshape(of_stages(quantizer, *shape))
        assert torch.equal(quantizer.lookup(codes), rows.reshape(*shape, 4))


def test_weights_travel_in_the_state_dict(build, draw):
    quantizer, other = build(), build_quantizer(build().config)
    z, extra = draw(quantizer, 2, 6)
    quantizer(z, extra)  # moves an EMA's codebook
    other.load_state_dict(quantizer.state_dict(), strict=True)
    assert torch.equal(quantizer.eval()(z, extra).z, other.eval()(z, extra).z)


def test_every_learned_parameter_gets_a_gradient(build, draw):
    quantizer = build()
    z, extra = (None if x is None else x.requires_grad_() for x in draw(quantizer, 2, 6))
    result = quantizer(z, extra)
    (result.loss + (result.z if quantizer.config.name == "fsq" else result.loss).sum()).backward()
    learned = [p for p in quantizer.parameters() if p.requires_grad]
    for tensor in [z, *([] if extra is None else [extra]), *learned]:
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_takes_a_long_input_and_a_single_position(build, draw):
    quantizer = build().eval()
    if not has_codebook(quantizer):
        pytest.skip("no codes")
    z, extra = draw(quantizer, 1, 9000)  # more than is measured at a time
    codes = quantizer.encode(z, extra)
    assert torch.equal(codes, quantizer(z, extra).codes)
    last = codes[:, -1:] if getattr(quantizer.config, "variance", None) != "II" else None
    if last is not None:
        assert torch.equal(last, quantizer.encode(z[:, -1:], None if extra is None else extra[:, -1:]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_autocast_lowers_nothing(build, draw, training, dtype):
    z, extra = (None if x is None else x.to(dtype) for x in draw(build(K=64, D=16), 2, 100))
    plain = results(build(K=64, D=16).train(training), z.float(), None if extra is None else extra.float())
    mixed = results(build(K=64, D=16).train(training), z, extra, mixed=True)
    assert mixed[0].dtype == mixed[1].dtype == torch.float32
    for got, wanted in zip(mixed, plain, strict=True):
        tolerance = {"rtol": 0, "atol": 0} if got.dtype == torch.float32 else {"rtol": 2**-8, "atol": 0}
        torch.testing.assert_close(got.float(), wanted.float(), **tolerance)


@pytest.mark.parametrize("training", [True, False])
def test_lowered_products_change_nothing(build, draw, training):
    """TF32 on GPUs and bfloat16 on some CPUs: where neither exists this holds without our doing."""
    inputs = draw(build(K=512, D=64), 2, 400)
    wanted = results(build(K=512, D=64).train(training), *inputs)
    torch.set_float32_matmul_precision("medium")
    try:
        got = results(build(K=512, D=64).train(training), *inputs)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    for lowered, full in zip(got, wanted, strict=True):
        torch.testing.assert_close(lowered, full, rtol=0, atol=0)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_is_positive(temperature):
    for quantizer in (GaussianSQ(GaussianSQConfig(variance="I")), build_quantizer(VmfSQConfig())):
        with pytest.raises(ValueError, match=r"temperature .* is not positive"):
            quantizer(torch.zeros(1, 1, 64), None, temperature)


CODEBOOKS = (GaussianSQConfig, VmfSQConfig, VqEmaConfig, SimVQConfig)


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        *[(c, "codebook_size", v) for c in CODEBOOKS for v in (1, 0, -4)],
        *[(c, "codebook_dim", v) for c in CODEBOOKS for v in (0, -1)],
        (GaussianSQConfig, "variance", "V"),
        (GaussianSQConfig, "initial_variance", 0.0),
        (GaussianSQConfig, "reset_after", 0),
        (VmfSQConfig, "initial_kappa", 0.0),
        (VqEmaConfig, "decay", 1.0),
        (VqEmaConfig, "decay", -0.1),
        (VqEmaConfig, "commitment", -1.0),
        (VqEmaConfig, "reset_after", 0),
        (GaussianVaeConfig, "latent_dim", 0),
        (GaussianSQConfig, "codebook_sise", 8),
        (SimVQConfig, "commitment", -0.1),
        (FSQConfig, "levels", ()),
        (FSQConfig, "levels", (5, 2)),
        (FSQConfig, "levels", (5, -3)),
        (FSQConfig, "levels", (1024, 1024, 3)),
        (ResidualConfig, "stages", 1),
        (ResidualConfig, "dropout", 1.0),
        (ResidualConfig, "quantizer", {"name": "gaussian_sk"}),
        (ResidualConfig, "quantizer", {"name": "vq_ema", "decay": 2.0}),
        (ResidualConfig, "quantizer", 3),
    ],
)
def test_bad_configurations_are_refused(config, key, value):
    with pytest.raises(ValueError, match=key):
        config(**{key: value})


def test_a_fixed_variance_is_for_variant_one():
    with pytest.raises(ValueError, match="needs variance I, not IV"):
        GaussianSQConfig(variance="IV", learn_variance=False)


@pytest.mark.parametrize("name", ["gaussian_vae", "residual"])
def test_a_stage_has_one_codebook(name):
    inner = {"name": name}
    with pytest.raises(ConfigError, match=f"residual needs stages of one codebook, not {name}"):
        build_quantizer(ResidualConfig(quantizer=inner))


def test_choices_are_the_codes_and_uncertain_between_two_codewords(build, draw):
    quantizer = build(K=7, D=3).eval()
    z, extra = draw(quantizer, 2, 300)
    if not has_codebook(quantizer):
        with pytest.raises(ConfigError, match="gaussian_vae has no codebook"):
            quantizer.choose(z, extra)
        return
    choice = quantizer.choose(z, extra)
    assert torch.equal(choice.codes, quantizer.encode(z, extra))
    assert choice.near.shape == (2, 300)
    assert choice.near.float().mean() < 0.02
    # Between a position and the next whose code differs, bisection finds where the code changes.
    low, high = z[:, :-1].double(), z[:, 1:].double()
    extra = None if extra is None else extra[:, :1].expand(-1, 299, -1)
    first, last = (quantizer.choose(end, extra).codes for end in (low, high))
    for _ in range(40):
        middle = (low + high) / 2
        same = (quantizer.choose(middle, extra).codes == first).flatten(2 if quantizer.stages > 1 else 1)
        same = same.all(-1, keepdim=True) if quantizer.stages > 1 else same.unsqueeze(-1)
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    differ = first != last if quantizer.stages == 1 else (first != last).any(-1)
    assert differ.sum() > 100
    assert quantizer.choose(low, extra).near[differ].all()


def test_posteriors_are_probabilities_of_each_stage_and_their_best_is_the_code(build, draw):
    quantizer = build(K=7, D=3).eval()
    z, extra = draw(quantizer, 2, 50)
    if one_stage(quantizer).name not in DRAWN or not has_codebook(quantizer):
        with pytest.raises(ConfigError, match=one_stage(quantizer).name):
            quantizer.posterior(z, extra)
        return
    found = quantizer.posterior(z, extra)
    assert found.shape == (*of_stages(quantizer, 2, 50), 7)
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
    assert torch.equal(found.argmax(-1), quantizer.encode(z, extra))
