"""A training step holds nothing that a CUDA graph cannot record; seen without a GPU.

Two views of one step. On the CPU every operation of the whole step is looked at: none may wait for the device, or have
a result whose size depends on values. With fake tensors of a GPU that is not there, all but the backward pass is run
for its devices: a tensor that lies on the CPU, or is brought from there, is an error. (Autograd refuses to run the
backward pass of a GPU that is not there; on the CPU it is looked at.)
"""

from dataclasses import replace

import gan_task
import prior_units
import pytest
import torch
from capture_watch import Watch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from training_steps import CPU, PRECISIONS, QUANTIZERS, SAMPLINGS, make_config, make_step

from sqspeech.priors.speakers import ConditionConfig
from sqspeech.priors.steps import StepConfig
from sqspeech.training.step import TrainingStep
from sqspeech.training.tasks.prior import PriorTask

CUDA = torch.device("cuda:0")


# A sampling has a part in the crops alone, and they in no quantiser.
@pytest.mark.parametrize(
    ("quantizer", "sampling"),
    [*((quantizer, "utterance") for quantizer in QUANTIZERS), *(("gaussian_sq_IV", other) for other in SAMPLINGS[1:])],
)
def test_a_step_neither_waits_nor_takes_a_size_from_values(quantizer, sampling):
    step = make_step(make_config(quantizer, sampling=sampling))
    for number in range(2):  # the first makes Adam's state
        step._prepare(number)
        with Watch() as watch:
            step._train()
        assert watch.seen > 200
        assert watch.found == []


@pytest.mark.parametrize(
    ("quantizer", "sampling", "precision"),
    [
        *((quantizer, "utterance", precision) for quantizer in QUANTIZERS for precision in PRECISIONS),
        *(("gaussian_sq_IV", sampling, "float32") for sampling in SAMPLINGS[1:]),
    ],
)
def test_all_of_a_step_is_on_the_gpu(quantizer, sampling, precision, gpu_in_name):
    config = make_config(quantizer, sampling=sampling, precision=precision)
    template = make_step(config)
    move_to_gpu(gpu_in_name, template)
    with gpu_in_name:
        step = TrainingStep(template.model, template.crops, config, CUDA, eager=True)
        with Watch() as watch:
            step._train()
        assert watch.found == []
        assert torch.bfloat16 in watch.products if precision == "bfloat16" else watch.products == {torch.float32}
        assert {step._sums.device, step._first_bad.device} == {CUDA}


@pytest.mark.parametrize("number", [2, 3])  # the phases
def test_a_step_of_two_optimizers_neither_waits_nor_takes_a_size_from_values(number):
    config = gan_task.GanConfig()
    batches = gan_task.GanTask(config).batches(None, gan_task.make_points(50, 0), CPU, "device", (0, 1))
    step = TrainingStep(gan_task.Gan(8), batches, config, CPU, eager=True)
    step(number)
    step._prepare(number)
    with Watch() as watch:
        step._train()
    assert watch.seen > 50
    assert watch.found == []


@pytest.mark.parametrize("runs", [True, False])
def test_a_step_of_a_prior_neither_waits_nor_takes_a_size_from_values(runs, tmp_path):
    condition = ConditionConfig(speakers=not runs)
    config = replace(prior_units.CONFIG, condition=condition, steps=StepConfig(runs=runs))
    task = PriorTask(config)
    train, _ = task.open_data(prior_units.write_sets(tmp_path, speakers=("a", "b")))
    model = task.model(train)
    step = TrainingStep(model, task.batches(model, train, CPU, "device", (0, 1)), config, CPU, eager=True)
    step(0)
    step._prepare(1)
    with Watch() as watch:
        step._train()
    assert watch.seen > 100
    assert watch.found == []


PLANTED = {
    "item": lambda z: z.sum().item(),
    "boolean mask": lambda z: z[z > 0],
    "tensor of the CPU": lambda z: z + torch.zeros(1, device="cpu"),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_fault_in_a_step_is_seen(planted, monkeypatch, request):
    step = make_step(make_config())
    quantize = type(step.model.quantizer).forward

    def faulty(quantizer, z, *rest):
        planted(z)
        return quantize(quantizer, z, *rest)

    monkeypatch.setattr(type(step.model.quantizer), "forward", faulty)
    with Watch() as watch:
        step._train()
    gpu_in_name = request.getfixturevalue("gpu_in_name")
    move_to_gpu(gpu_in_name, step)
    with gpu_in_name:
        there = TrainingStep(step.model, step.crops, step.config, CUDA, eager=True)
        try:
            there._train()
        except RuntimeError:
            watch.found.append("refused")
    assert watch.found


@pytest.fixture
def gpu_in_name(monkeypatch):
    """A mode in which tensors are on a GPU that is not there, and what cannot run so is replaced."""

    def recur(gru, frames, *state):
        # Of cuDNN's kernel there is no fake.
        assert {frames.device, *(weight.device for weight in gru.parameters())} == {CUDA}
        return frames.new_zeros(*frames.shape[:2], 2 * gru.hidden_size) + frames.sum(), None

    # autocast looks for a GPU before it is one's.
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    adam = torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda weights, lr, fused, **rest: with_rate(adam(weights, **rest), lr))
    monkeypatch.setattr(torch.Tensor, "backward", lambda loss: None)
    monkeypatch.setattr(nn.GRU, "forward", recur)
    return FakeTensorMode()


def with_rate(optimizer, rate):
    # Adam looks at the value of its rate when it is made, before any step; of its fused kernel there is no fake.
    for group in optimizer.param_groups:
        group["lr"] = rate
        for parameter in group["params"]:
            parameter.grad = torch.empty_like(parameter)
    optimizer.zero_grad = lambda: None
    return optimizer


def move_to_gpu(mode: FakeTensorMode, step: TrainingStep) -> None:
    def moved(value):
        fake = mode.from_tensor(value.detach())
        with mode:
            return fake.to(CUDA)

    for owner in (step.crops, step.crops._frames):
        for name, value in list(vars(owner).items()):
            if isinstance(value, torch.Tensor) and name != "lengths":
                setattr(owner, name, moved(value))
    step.crops._frames.device = CUDA
    for module in step.model.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                module._parameters[name] = nn.Parameter(moved(value), value.requires_grad)
        for name, value in list(module._buffers.items()):
            if value is not None:
                module._buffers[name] = moved(value)
        if isinstance(module, nn.RNNBase):
            module._flat_weights = [module._parameters[name] for name in module._flat_weights_names]
