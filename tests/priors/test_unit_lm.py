"""The model of sequences of integers: what it computes, what it draws, what it scores."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from sqspeech.data.random_hash import hash_numbers, uniform
from sqspeech.errors import ConfigError
from sqspeech.priors.sampling import Sampling, sample
from sqspeech.priors.scoring import sequence_nats
from sqspeech.priors.unit_lm import PADDING, UnitLM, UnitLMConfig

SIZES = (5, 3)
CONTEXT = 8


@pytest.fixture(scope="module")
def model() -> UnitLM:
    """An untrained model with weights that matter, of two columns and two classes."""
    torch.manual_seed(0)
    made = UnitLM(UnitLMConfig(layers=2, width=16, heads=2, context=CONTEXT), SIZES, conditions=2).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def draw_codes(count: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(size, (count, length), generator=generator) for size in SIZES], -1)


def log_probability(model: UnitLM, before: list, step: list, condition: int) -> float:
    """Of one step after others, each column alone, without a cache and without a batch."""
    inputs = torch.tensor([model.begin.tolist(), *before])[None]
    hidden = model.hidden(inputs, torch.tensor([condition]))[0, -1]
    total = 0.0
    for column in range(len(SIZES)):
        logits = model.logits(hidden, torch.tensor(step), column).double()
        total += float(logits[step[column]] - logits.logsumexp(0))
    return total


@torch.inference_mode()
def test_a_score_is_the_sum_of_a_plain_loop(model):
    """Longer than the context, in a batch with shorter ones."""
    sequences, conditions = [draw_codes(1, length)[0] for length in (3 * CONTEXT + 1, 2, CONTEXT)], [1, 0, 1]
    found = sequence_nats(model, sequences, conditions)
    for sequence, condition, nats in zip(sequences, conditions, found, strict=True):
        steps = sequence.tolist()
        wanted = -sum(log_probability(model, steps[:place], steps[place], condition) for place in range(len(steps)))
        assert float(nats.sum()) == pytest.approx(wanted, rel=1e-5)


@torch.inference_mode()
def test_with_a_cache_the_same_units_are_drawn_as_without(model):
    prompt, keys, condition = draw_codes(3, 4), [1, 2, 3], torch.tensor([0, 1, 1])
    found = torch.stack(list(islice(sample(model, keys=keys, prompt=prompt, condition=condition), 3 * CONTEXT)), dim=1)
    steps = prompt
    for number in range(3 * CONTEXT):
        hidden = model.hidden(model.after_begin(steps), condition)[:, -1]
        step = torch.zeros(3, 2, dtype=torch.int64)
        for column in range(2):
            place = torch.tensor([1 + 2 * number + column])
            uniforms = torch.cat([uniform(key, place) for key in keys])
            step[:, column] = Sampling().draw(model.logits(hidden, step, column), uniforms)
        steps = torch.cat([steps, step[:, None]], 1)
    assert found.tolist() == steps[:, 4:].tolist()


@torch.inference_mode()
def test_a_step_depends_on_no_later_one_and_on_the_context_alone(model):
    codes = draw_codes(1, 5 * CONTEXT)
    changed = codes.clone()
    changed[:, 20] = (changed[:, 20] + 1) % torch.tensor(SIZES)
    nats, others = (model.nats(model.after_begin(some))[0] for some in (codes, changed))
    differs = (nats != others).any(1).nonzero().flatten()
    # Each of the two layers looks back by the context less one.
    assert differs.min() == 20
    assert 20 + CONTEXT <= differs.max() <= 20 + 1 + 2 * (CONTEXT - 1)


@torch.inference_mode()
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.5, 0.7)])
def test_what_is_drawn_follows_the_softmax(model, temperature, top_p):
    """The frequencies of both columns of 10,000 next steps, by chi-square."""
    draws = 10_000
    prompt, condition = draw_codes(1, 3), torch.tensor([1])
    keys = [hash_numbers(7, number) for number in range(draws)]
    steps = next(
        sample(
            model,
            keys=keys,
            prompt=prompt.expand(draws, -1, -1),
            condition=condition.expand(draws),
            sampling=Sampling(temperature=temperature, top_p=top_p),
        )
    )
    before = prompt[0].tolist()
    wanted = np.zeros(SIZES)
    hidden = model.hidden(model.after_begin(prompt), condition)[0, -1]
    first = allowed(model.logits(hidden, torch.zeros(2, dtype=torch.int64), 0).tolist(), temperature, top_p)
    for symbol, share in enumerate(first):
        second = allowed(model.logits(hidden, torch.tensor([symbol, 0]), 1).tolist(), temperature, top_p)
        wanted[symbol] = share * np.array(second)
    assert len(before) == 3
    counts = np.zeros(SIZES)
    np.add.at(counts, tuple(steps.numpy().T), 1)
    assert (counts[wanted == 0] == 0).all()
    possible = wanted > 0
    assert (top_p == 1) == possible.all()
    assert chisquare(counts[possible], draws * wanted[possible]).pvalue > 0.01


def allowed(logits: list[float], temperature: float, top_p: float) -> list[float]:
    """The softmax of the logits, and of it the likeliest values that have a probability together."""
    weights = [math.exp(logit / temperature) for logit in logits]
    shares = [weight / sum(weights) for weight in weights]
    kept, total = set(), 0.0
    for value in sorted(range(len(shares)), key=lambda value: -shares[value]):
        if total < top_p:
            kept.add(value)
        total += shares[value]
    total = sum(shares[value] for value in kept)
    return [share / total if value in kept else 0.0 for value, share in enumerate(shares)]


def test_padding_is_no_part_of_the_loss(model):
    codes = model.after_begin(draw_codes(2, 5))
    codes[0, 3:] = PADDING
    nats = model.nats(codes, torch.tensor([0, 0]))
    assert (nats[0, 2:] == 0).all()
    torch.testing.assert_close(nats[:1, :2], model.nats(codes[:1, :3], torch.tensor([0])))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"temperature": 0.0}, "temperature of 0: give one above 0"),
        ({"temperature": -1.0}, "temperature of -1"),
        ({"top_p": 0.0}, "top-p of 0"),
        ({"top_p": 1.1}, "top-p of 1.1"),
    ],
)
def test_a_distribution_that_is_none_is_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        Sampling(**values)
