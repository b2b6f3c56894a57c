"""One training step of a task, launched operation by operation or replayed as a CUDA graph."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.profiler import record_function

from sqspeech import distributed
from sqspeech.config import TaskConfig
from sqspeech.data.random_hash import hash_numbers
from sqspeech.quantizers.precision import float32_products
from sqspeech.training.feed import Feed
from sqspeech.training.recording import WARM_UP, Recording
from sqspeech.training.running_sums import RunningSums
from sqspeech.training.tasks.base import Batch, Batches, task_of

__all__ = ["NEVER", "WARM_UP", "TrainingStep"]

NEVER = torch.iinfo(torch.int64).max


class TrainingStep:
    """Updates of a model on this process's rows of the batch of a step, in the way of its task.

    Batches, noise and schedules are functions of (seed, step) alone. The statistics of the steps are summed on the
    device, so that nothing waits for it until they are read.

    On a GPU each phase of the task is recorded once as a CUDA graph and replayed: the same kernels with the same
    numbers, without the time to launch each.

    Parameters
    ----------
    model, batches
        On the training device; with the same seed in all processes.
    config
        The experiment; its class tells the task.
    eager
        Launch every operation, on a GPU too.

    Attributes
    ----------
    model, crops
        The model; the batches.
    optimizers
        By name.
    draw
        Of the runs with the same seed, which: another one sees other batches and other noise. Set by `redraw`.
    """

    def __init__(
        self, model: nn.Module, batches: Batches, config: TaskConfig, device: torch.device, *, eager: bool
    ) -> None:
        self.model, self.crops, self.config, self.device = model, batches, config, device
        self.task = task_of(config)
        self._graphed = device.type == "cuda" and not eager
        self._feed = None if batches.on_device else Feed(batches, device)
        self._brought: Batch | None = None
        self._phase = self.task.phase(0)
        self._stale = False  # gradients of an update lie in the model
        self._values = {
            name: torch.full((), value, dtype=torch.float32, device=device)
            for name, value in self.task.schedule(0).items()
        }
        self._step, self._key = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
        self._first_bad = torch.full((), NEVER, device=device)
        self._statistics = RunningSums()
        self.optimizers: dict[str, Optimizer] = self.task.optimizers(model, self._values)
        self.redraw(0)

    @property
    def optimizer(self) -> Optimizer:
        """The first optimiser."""
        return next(iter(self.optimizers.values()))

    def redraw(self, draw: int) -> None:
        """Take another draw of the batches and of the noise; 0 is the seed's own."""
        self.draw, seed = draw, self.config.training.seed
        self.crops.seed = seed if draw == 0 else hash_numbers(seed, draw)
        self.forget_graph()

    def __call__(self, step: int) -> None:
        """Train one step, the `step`-th from 0."""
        with self._device_is_current():
            self._prepare(step)
            if self._graphed:
                self._recording()()
            else:
                self._train()
            if self._feed:
                with record_function("sqspeech::data"):
                    self._feed.draw(self.crops.key(step + 1))

    def forget_graph(self) -> None:
        """Give the recorded graphs back; the next steps warm up and record others."""
        self._recordings: dict[str, Recording] = {}

    def statistics(self) -> dict[str, float]:
        """Return the sums of the statistics over the steps since `clear`. Waits for the device."""
        return self._statistics.totals()

    def means(self, steps: range) -> dict[str, float]:
        """Return the means of the statistics over the steps since `clear`, which are given. Waits for the device."""
        return self._statistics.means(map(self.task.phase, steps))

    def first_bad(self) -> int:
        """Return the number, from 0, of the first step that was not finite; NEVER if none. Waits for the device."""
        return int(self._first_bad)

    def clear(self) -> None:
        """Begin new sums."""
        self._statistics.clear()

    def state(self) -> dict[str, Any]:
        """Return what `load` needs to go on, beside the model's weights."""
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "draw": self.draw,
            "statistics": self._statistics.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name, optimizer in self.optimizers.items():
            # The settings stay: a stored learning rate would no longer be the scalar that is filled.
            settings = [{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups]
            optimizer.load_state_dict(state["optimizers"][name])
            for group, own in zip(optimizer.param_groups, settings, strict=True):
                group.update(own)
        self._statistics.load(state["statistics"])
        self._first_bad.fill_(NEVER)
        self.redraw(state["draw"])

    @property
    def _sums(self) -> Tensor:
        return self._statistics[self._phase]

    def _device_is_current(self) -> AbstractContextManager[object]:
        # Streams, events and graphs are made on the current device, whatever device their operands lie on.
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def _generator(self) -> torch.Generator:
        if self.device.type != "cuda":
            return torch.default_generator
        index = torch.cuda.current_device() if self.device.index is None else self.device.index
        return torch.cuda.default_generators[index]

    def _prepare(self, step: int) -> None:
        # Fills and seeds are queued, not waited for; a graph reads them when it runs.
        self._generator().manual_seed(hash_numbers(self.config.training.seed, self.draw, step))
        for name, value in self.task.schedule(step).items():
            self._values[name].fill_(value)
        self._step.fill_(step)
        self._phase = self.task.phase(step)
        key = self.crops.key(step)
        if self._feed:
            with record_function("sqspeech::data"):
                self._brought = self._feed.bring(key)
        else:
            self._key.fill_(key)

    def _recording(self) -> Recording:
        if self._phase not in self._recordings:
            # The gradients are dropped before, so that the graph allocates some of its own.
            self._recordings[self._phase] = Recording(lambda: self._train(), self._drop_gradients)
        return self._recordings[self._phase]

    def _draw(self) -> Batch:
        with record_function("sqspeech::data"):
            return self.crops.batch(self._key)

    def _train(self) -> None:
        with distributed.sharing(), float32_products(tf32=self.config.training.precision != "float32"):
            batch = self._brought or self._draw()
            self._drop_gradients()
            with self._autocast(enabled=self._in_half()):
                statistics = self.task.step(self.model, batch, self._values, self._update, self._phase)
            self._add({name: value.detach() for name, value in statistics.items()})

    def _update(self, name: str, loss: Tensor) -> Tensor:
        """Take a step of an optimiser, and return the norm of its gradients before clipping."""
        optimizer = self.optimizers[name]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        with self._autocast(enabled=False):
            if self._stale:
                self._drop_gradients()
            self._stale = True
            with record_function("sqspeech::backward"):
                loss.backward()  # type: ignore[no-untyped-call]
            with record_function("sqspeech::clip"):
                # One message: the network is small, and there is no later layer's work to hide it behind.
                distributed.average_gradients(parameters)
                norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.training.gradient_clip)
            with record_function("sqspeech::optimizer"):
                optimizer.step()
        return norm

    def _drop_gradients(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        self._stale = False

    def _autocast(self, *, enabled: bool) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)

    def _in_half(self) -> bool:
        return self.device.type == "cuda" and self.config.training.precision == "bfloat16"

    def _add(self, statistics: Mapping[str, Tensor]) -> None:
        values = self._statistics.add(self._phase, statistics)
        finite = torch.isfinite(values).all()
        bad = torch.where(finite, NEVER, self._step)
        torch.minimum(self._first_bad, bad, out=self._first_bad)
