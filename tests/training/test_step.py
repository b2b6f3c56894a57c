"""The numbers of a step, its precision, its device, and the origin of its batch."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from training_steps import CPU, LENGTHS, PRECISIONS, QUANTIZERS, make_config, make_frames, make_step

from sqspeech.data.frame_cache import ResidentFrames
from sqspeech.training.step import NEVER, WARM_UP


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_the_graph_gives_the_numbers_of_the_eager_path(quantizer, precision):
    config, device = make_config(quantizer, precision=precision), torch.device("cuda")
    steps = [make_step(config, device, eager=eager) for eager in (True, False)]
    for number in range(WARM_UP + 5):
        for step in steps:
            step(number)
    eager, graph = steps
    # Backward's atomic sums have no fixed order; Adam divides by the root of tiny second moments.
    assert graph.statistics() == pytest.approx(eager.statistics(), rel=1e-2 if precision == "bfloat16" else 1e-3)
    for one, other in zip(eager.model.parameters(), graph.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=2e-3)


@pytest.mark.gpu
def test_a_recorded_graph_follows_a_restored_state():
    step = make_step(make_config(), torch.device("cuda"), eager=False)
    for number in range(WARM_UP + 2):
        step(number)
    before, state = step.model.state_dict(), step.state()
    before = {name: value.clone() for name, value in before.items()}
    ((name, adam),) = state["optimizers"].items()
    state["optimizers"][name] = {"state": {}, "param_groups": adam["param_groups"]}
    step.load(state)
    step(WARM_UP + 2)
    assert any(not torch.equal(before[name], value) for name, value in step.model.state_dict().items())
    assert step.first_bad() == NEVER


@pytest.mark.gpu
def test_a_graph_is_fed_from_host_memory_as_from_the_device():
    device, statistics = torch.device("cuda"), []
    for frames in (make_frames(device), ResidentFrames(make_frames().frames, list(LENGTHS), device)):
        step = make_step(make_config(), device, eager=False, frames=frames)
        for number in range(WARM_UP + 5):
            step(number)
        statistics.append(step.statistics())
    assert statistics[0] == pytest.approx(statistics[1], rel=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_every_quantizer_trains_a_step_with_finite_numbers(quantizer, precision):
    step = make_step(make_config(quantizer, precision=precision))
    step(0)
    assert torch.tensor(list(step.statistics().values())).isfinite().all()
    assert step.first_bad() == NEVER


def test_statistics_are_sums_since_they_were_cleared():
    one, all_of_them = (make_step(make_config()) for _ in range(2))
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
        step = make_step(make_config())
        step.redraw(draw)
        step(0)
        losses.append(step.statistics()["loss"])
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.parametrize(("precision", "products"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "tf32")])
def test_the_recurrent_network_is_outside_autocast_in_what_the_precision_asks_for(precision, products):
    step, seen = make_step(make_config(precision=precision)), []

    def look(gru, inputs):
        seen.append((inputs[0].dtype, torch.is_autocast_enabled("cpu"), torch.backends.cudnn.rnn.fp32_precision))

    step.model.decoder.gru.register_forward_pre_hook(look)
    before = torch.backends.cudnn.rnn.fp32_precision
    step(0)
    with torch.autocast("cpu", torch.bfloat16):
        mel = step.model.decoder(torch.randn(2, 8, 4), torch.tensor([0, 1]))
    assert seen == [(torch.float32, False, products), (torch.float32, False, before)]
    assert mel.dtype == torch.bfloat16  # the projection is in autocast


def test_noise_is_seeded_in_the_generator_that_is_used_and_in_no_other(monkeypatch):
    def refuse(seed):
        raise AssertionError("torch.manual_seed seeds every device")

    step, losses = make_step(make_config()), []
    monkeypatch.setattr(torch, "manual_seed", refuse)
    start = {name: value.clone() for name, value in step.model.state_dict().items()}
    for _ in range(2):
        torch.rand(7)
        step.model.load_state_dict(start)
        step.clear()
        step(5)
        losses.append(step.statistics()["loss"])
    assert losses[0] == losses[1]


class Batches(ResidentFrames):
    """Frames that live elsewhere than the training device, which is the CPU too."""

    def __init__(self) -> None:
        super().__init__(make_frames().frames, list(LENGTHS), CPU)
        self.resident = False


def test_a_batch_from_elsewhere_is_drawn_after_the_step_before_and_is_that_of_its_step():
    here, fed = make_step(make_config()), make_step(make_config(), frames=Batches())
    events, batch, train = [], fed.crops.batch, fed._train
    fed.crops.batch = lambda key: (events.append(key), batch(key))[1]
    fed._train = lambda: (events.append("train"), train())[1]
    for number in (0, 1, 2, 7):  # a training that goes on elsewhere
        here(number)
        fed(number)
        assert fed.statistics() == here.statistics()
    keys = [fed.crops.key(number) for number in range(9)]
    assert events == [
        keys[0], "train", keys[1], "train", keys[2], "train", keys[3], keys[7], "train", keys[8],
    ]  # fmt: skip
    for step in (here, fed):
        step.redraw(1)
        step(8)
    assert fed.statistics() == here.statistics()


@pytest.fixture
def second_gpu(monkeypatch):
    """A step that takes itself to be on cuda:1, and what is done while which device is current."""
    current, seen = ["cuda:0"], []

    @contextmanager
    def device(wanted):
        current.append(str(wanted))
        yield
        current.pop()

    @contextmanager
    def graph(recorded, stream):
        seen.append(("record", current[-1], stream))
        yield

    def make_stream():
        return SimpleNamespace(device=current[-1], wait_stream=lambda other: None)

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "Stream", make_stream)
    monkeypatch.setattr(torch.cuda, "current_stream", make_stream)
    monkeypatch.setattr(torch.cuda, "stream", device)
    monkeypatch.setattr(
        torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: seen.append(("replay", current[-1])))
    )
    step = make_step(make_config())
    step.device, step._graphed = torch.device("cuda:1"), True
    step._generator = lambda: torch.default_generator
    return step, seen


def test_all_is_recorded_and_replayed_while_its_device_is_the_current_one(second_gpu):
    step, seen = second_gpu
    step._train = lambda: None
    for number in range(WARM_UP + 2):
        step(number)
    (record, device, stream), *replays = seen
    assert (record, device, stream.device) == ("record", "cuda:1", "cuda:1")
    assert replays == [("replay", "cuda:1")] * 2
    step.forget_graph()
    assert step._recordings == {}
