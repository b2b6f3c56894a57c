"""Padding changes nothing: a padded batch with its mask equals the batch without padding."""

import math

import pytest
import torch

from sqspeech.quantizers import GaussianVae

B, T, PADDED = 3, 6, 9
MEAN_OVER_POSITIONS = {"entropy", "log_variance", "commitment"}


def pad(values, filler):
    """(B, T, C) to (B, PADDED, C), with `filler` in the end."""
    return torch.cat([values, torch.full((len(values), PADDED - T, values.shape[2]), filler)], 1)


def differentiate(quantizer, z, extra, mask):
    leaves = [x.clone().requires_grad_() for x in (z, extra) if x is not None]
    result = quantizer(*leaves, *([None] * (2 - len(leaves))), mask=mask)
    (result.loss + (result.z if mask is None else result.z * mask.unsqueeze(-1)).sum()).backward()
    return result, [x.grad for x in leaves], [p.grad for p in quantizer.parameters() if p.requires_grad]


@pytest.mark.parametrize("filler", [0.0, -7.0, 1e30, -1e30, math.inf, math.nan])
def test_whatever_the_padding_holds(build, draw, filler):
    plain, padded = build().eval(), build().eval()
    z, extra = draw(plain, B, T)
    mask = (torch.arange(PADDED) < T).expand(B, -1)
    wanted, wanted_in, wanted_own = differentiate(plain, z, extra, None)
    got, got_in, got_own = differentiate(padded, pad(z, filler), None if extra is None else pad(extra, filler), mask)
    torch.testing.assert_close(got.loss, wanted.loss)
    torch.testing.assert_close(got.statistics, wanted.statistics)
    torch.testing.assert_close(got.z[:, :T], wanted.z)
    torch.testing.assert_close(got_own, wanted_own)
    torch.testing.assert_close([g[:, :T] for g in got_in], wanted_in)
    assert all((g[:, T:] == 0).all() for g in got_in)
    if wanted.codes is not None:
        assert torch.equal(got.codes[:, :T], wanted.codes)


def test_a_ragged_batch_is_its_utterances(build, draw):
    quantizer, lengths = build().eval(), [6, 1, 4]
    z, extra = draw(quantizer, B, T)
    mask = torch.arange(T) < torch.tensor(lengths)[:, None]
    batch = quantizer(z, extra, mask=mask)
    alone = [
        quantizer(z[b : b + 1, :n], None if extra is None else extra[b : b + 1, :n]) for b, n in enumerate(lengths)
    ]
    weights = [1] * B if quantizer.config.in_nats else lengths

    def mean(values, weights):
        return sum(v.item() * w for v, w in zip(values, weights, strict=True)) / sum(weights)

    assert batch.loss.item() == pytest.approx(mean([a.loss for a in alone], weights), rel=1e-5)
    for name in MEAN_OVER_POSITIONS & batch.statistics.keys():
        wanted = mean([a.statistics[name] for a in alone], lengths)
        assert batch.statistics[name].item() == pytest.approx(wanted, rel=1e-5), name
    if not isinstance(quantizer, GaussianVae):
        assert batch.codes[mask].tolist() == torch.cat([a.codes[0] for a in alone]).tolist()
        found = []
        for codes in batch.codes[mask].reshape(sum(lengths), -1).T:
            p = torch.bincount(codes).double() / sum(lengths)
            found.append(math.exp(-sum(x * math.log(x) for x in p.tolist() if x > 0)))
        assert batch.statistics["batch_perplexity"].item() == pytest.approx(sum(found) / len(found), rel=1e-5)
        for q, perplexity in enumerate(found[1:], 2):
            assert batch.statistics[f"batch_perplexity_{q}"].item() == pytest.approx(perplexity, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_mask_of_all_real_is_none(build, draw, training):
    outcomes = []
    for mask in (None, torch.ones(B, T, dtype=torch.bool)):
        quantizer = build().train(training)
        z, extra = draw(quantizer, B, T)
        torch.manual_seed(2)
        result = quantizer(z, extra, 0.7, mask)
        outcomes.append([result.z, result.loss, result.statistics, quantizer.state_dict()])
    torch.testing.assert_close(*outcomes)


def test_an_utterance_without_a_real_position_adds_nothing(build, draw):
    quantizer = build().eval()
    z, extra = draw(quantizer, 2, T)
    mask = torch.tensor([[True] * T, [False] * T])
    batch = quantizer(z, extra, mask=mask)
    alone = quantizer(z[:1], None if extra is None else extra[:1])
    share = 0.5 if quantizer.config.in_nats else 1
    assert batch.loss.item() == pytest.approx(share * alone.loss.item(), rel=1e-5)
    for name in MEAN_OVER_POSITIONS & batch.statistics.keys():
        assert batch.statistics[name].item() == pytest.approx(alone.statistics[name].item(), rel=1e-5)
