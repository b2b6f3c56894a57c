"""Measures on dev: of many utterances together what they are of each alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from codewords import place
from torch.utils._python_dispatch import TorchDispatchMode
from training_steps import CPU, QUANTIZERS, make_config, make_step

from sqspeech.evaluation.metrics.codebook import active_codes, perplexity, usage
from sqspeech.evaluation.metrics.reconstruction import measure_reconstruction
from sqspeech.quantizers.precision import float32_products
from sqspeech.training import dev_metrics
from sqspeech.training.dev_metrics import Validation

LENGTHS = (40, 9, 61, 4, 33, 33, 128, 5, 2, 3)
SPEAKERS = ["a", "b", "c"]


def make_dev():
    rng = np.random.default_rng(1)
    mels = {f"{number}": np.cumsum(rng.normal(0, 0.1, (length, 80)), 0).astype(np.float32)
            for number, length in enumerate(LENGTHS)}  # fmt: skip
    data = [SimpleNamespace(utt_id=name, spk_id=SPEAKERS[number % 3]) for number, name in enumerate(mels)]
    return SimpleNamespace(path="dev", data=data, read=mels.__getitem__), mels


def make_model(quantizer: str, normalize: bool):
    step = make_step(make_config(quantizer, normalize=normalize))
    step(0)  # BatchNorm has seen a batch
    model = step.model.eval()
    if model.quantizer.codebook_size:  # codewords among the latents, so that several are chosen
        latents = model.encoder(torch.from_numpy(make_dev()[1]["6"])[None])[0, ::8, :4]
        place(model.quantizer, latents[:8].detach())
    return model


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("quantizer", QUANTIZERS)
@pytest.mark.parametrize("frames", [64, 10_000])
def test_together_is_one_by_one(quantizer, normalize, frames, monkeypatch):
    monkeypatch.setitem(dev_metrics.FRAMES_AT_ONCE, "cpu", frames)
    (dev, mels), model = make_dev(), make_model(quantizer, normalize)
    found = Validation(dev, SPEAKERS, 80.0, CPU)(model)
    model.eval()
    usable = [u for u in dev.data if len(mels[u.utt_id]) >= 4]
    pairs = [(torch.from_numpy(mels[u.utt_id])[None], torch.tensor([SPEAKERS.index(u.spk_id)])) for u in usable]
    alone = measure_reconstruction(model, pairs, 80.0)
    assert found["dev_mse_db2"] == pytest.approx(alone.mse_db2, rel=1e-5)
    others = [
        model.decoder(torch.from_numpy(z[::-1].copy())[None], speaker)[0] - model.geometry.target(mel)[0]
        for (mel, speaker), z in zip(pairs, alone.latents, strict=True)
    ]
    assert found["dev_mse_db2_other_codes"] == pytest.approx(torch.cat(others).square().mean().item() * 6400, rel=1e-5)
    if model.quantizer.codebook_size:
        stages = np.concatenate(alone.codes).reshape(-1, model.quantizer.stages).T
        counts = [usage([codes], model.quantizer.codebook_size) for codes in stages]
        perplexities, active = [perplexity(c) for c in counts], [active_codes(c) for c in counts]
        assert found["dev_perplexity"] == pytest.approx(sum(perplexities) / len(counts))
        assert found["dev_active_codes"] == pytest.approx(sum(active) / len(counts))
        assert max(active) > 1 or quantizer == "fsq"
        if len(counts) > 1:
            assert [found[f"dev_perplexity_{q}"] for q in range(1, len(counts) + 1)] == perplexities
            assert found["dev_perplexity_total"] == pytest.approx(math.prod(perplexities))
    else:
        assert set(found) == {"dev_mse_db2", "dev_mse_db2_other_codes"}


class Reads(TorchDispatchMode):
    """Counts what a GPU's host would have to wait for."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
        return function(*args, **(kwargs or {}))


def test_nothing_is_read_back_but_the_sums(monkeypatch):
    (dev, _), model = make_dev(), make_model("gaussian_sq_IV", False)
    waits = []
    for frames in (64, 10_000):  # seven batches, and one
        monkeypatch.setitem(dev_metrics.FRAMES_AT_ONCE, "cpu", frames)
        measure = Validation(dev, SPEAKERS, 80.0, CPU)
        with Reads() as reads:
            measure(model)
        waits.append(reads.count)
    assert waits[0] == waits[1]


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_it_is_measured_in_single_precision_whatever_the_training_is(precision):
    seen = []

    def look(module, inputs):
        seen.append((torch.backends.cudnn.conv.fp32_precision, torch.backends.cudnn.rnn.fp32_precision))

    step = make_step(make_config(precision=precision))
    for module in (step.model.encoder, step.model.decoder.gru):
        module.register_forward_pre_hook(look)
    with float32_products(tf32=True):
        Validation(make_dev()[0], SPEAKERS, 80.0, CPU)(step.model)
        assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    assert set(seen) == {("ieee", "ieee")}
    assert step.model.training
