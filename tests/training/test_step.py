"""A step as one CUDA graph against the same step launched operation by operation."""

import pytest
import torch
import yaml
from corpus import CONFIG

from sqspeech.checkpoint import build_model
from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import Crops
from sqspeech.data.packed_frames import pack
from sqspeech.training.step import NEVER, WARM_UP, TrainingStep

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA graph needs a GPU")
QUANTIZERS = ("gaussian_sq", "vmf_sq", "vq_ema", "vae")


def make_step(quantizer: str, precision: str, device: torch.device, *, eager: bool) -> TrainingStep:
    document = yaml.safe_load(CONFIG)
    document["quantizer"] = {"name": quantizer, "codebook_dim": 4} | (
        {} if quantizer == "vae" else {"codebook_size": 8}
    )
    document["training"] |= {"precision": precision}
    config = ExperimentConfig.from_dict(document, "test")
    torch.manual_seed(0)
    model = build_model(config, 3).to(device).train()
    lengths = torch.arange(20, 40).tolist()
    frames = pack([torch.rand(length, 80).numpy() for length in lengths], device)
    crops = Crops(frames, [index % 3 for index in range(len(lengths))], config.crops, seed=1)
    return TrainingStep(model, crops, config, device, eager=eager)


@gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_the_graph_gives_the_numbers_of_the_eager_path(quantizer, precision):
    device = torch.device("cuda")
    steps = [make_step(quantizer, precision, device, eager=eager) for eager in (True, False)]
    for number in range(WARM_UP + 5):
        for step in steps:
            step(number)
    eager, graph = steps
    # Backward's atomic sums have no fixed order; Adam divides by the root of tiny second moments.
    assert graph.statistics() == pytest.approx(eager.statistics(), rel=1e-2 if precision == "bfloat16" else 1e-3)
    for one, other in zip(eager.model.parameters(), graph.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=2e-3)


@gpu
def test_a_recorded_graph_follows_a_restored_state():
    step = make_step("gaussian_sq", "float32", torch.device("cuda"), eager=False)
    for number in range(WARM_UP + 2):
        step(number)
    before, state = step.model.state_dict(), step.state()
    before = {name: value.clone() for name, value in before.items()}
    state["optimizer"] = {"state": {}, "param_groups": state["optimizer"]["param_groups"]}
    step.load(state)
    step(WARM_UP + 2)
    assert any(not torch.equal(before[name], value) for name, value in step.model.state_dict().items())
    assert step.first_bad() == NEVER


def test_statistics_are_sums_since_they_were_cleared():
    one, all_of_them = (make_step("gaussian_sq", "float32", torch.device("cpu"), eager=True) for _ in range(2))
    sums = []
    for number in range(3):
        one(number)
        all_of_them(number)
        sums.append(one.statistics())
        one.clear()
    for name, value in all_of_them.statistics().items():
        assert value == pytest.approx(sum(each[name] for each in sums), rel=1e-5)


def test_another_draw_sees_other_crops_and_the_first_again_the_same():
    losses = []
    for draw in (0, 1, 0):
        step = make_step("gaussian_sq", "float32", torch.device("cpu"), eager=True)
        step.redraw(draw)
        step(0)
        losses.append(step.statistics()["loss"])
    assert losses[0] == losses[2] != losses[1]
