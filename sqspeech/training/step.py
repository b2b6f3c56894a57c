"""One training step, launched operation by operation or replayed as one CUDA graph."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function

from sqspeech import distributed
from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import Crops
from sqspeech.data.random_hash import hash_numbers
from sqspeech.models.sqvae import SQVAE
from sqspeech.quantizers.precision import float32_products
from sqspeech.training.feed import Batch, Feed
from sqspeech.training.schedules import learning_rate, temperature

# Steps launched one by one before the graph is recorded: libraries allocate and choose their kernels in them.
WARM_UP = 3
NEVER = torch.iinfo(torch.int64).max


class TrainingStep:
    """Forward, backward, clipping and Adam on this process's rows of the batch of a step.

    Crops, noise and schedules are functions of (seed, step) alone. The statistics of the steps are summed on the
    device, so that nothing waits for it until they are read.

    On a GPU the step is recorded once as a CUDA graph and replayed: the same kernels with the same numbers, without
    the time to launch each.

    Parameters
    ----------
    model, crops
        On the training device; with the same seed in all processes.
    config
        The experiment.
    eager
        Launch every operation, on a GPU too.

    Attributes
    ----------
    draw
        Of the runs with the same seed, which: another one sees other crops and other noise. Set by `redraw`.
    """

    def __init__(
        self, model: SQVAE, crops: Crops, config: ExperimentConfig, device: torch.device, *, eager: bool
    ) -> None:
        self.model, self.crops, self.config, self.device = model, crops, config, device
        self._graphed = device.type == "cuda" and not eager
        self._feed = None if crops.on_device else Feed(crops, device)
        self._brought: Batch | None = None
        self._lr, self._temperature = torch.zeros((), device=device), torch.ones((), device=device)
        self._step, self._key = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
        self._first_bad = torch.full((), NEVER, device=device)
        self._sums: Tensor | None = None
        self._names: list[str] = []
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self._lr, fused=True, capturable=device.type == "cuda")
        self.redraw(0)

    def redraw(self, draw: int) -> None:
        """Take another draw of the crops and of the noise; 0 is the seed's own."""
        self.draw, seed = draw, self.config.training.seed
        self.crops.seed = seed if draw == 0 else hash_numbers(seed, draw)
        self.forget_graph()

    def __call__(self, step: int) -> None:
        """Train one step, the `step`-th from 0."""
        with self._device_is_current():
            self._prepare(step)
            if not self._graphed:
                self._train()
            elif self._graph is not None:
                self._graph.replay()
            elif self._warmed_up < WARM_UP:
                self._warm_up()
            else:
                self._record()
            if self._feed:
                with record_function("sqspeech::data"):
                    self._feed.draw(self.crops.key(step + 1))

    def forget_graph(self) -> None:
        """Give the recorded graph back; the next steps warm up and record another one."""
        self._graph: torch.cuda.CUDAGraph | None = None
        self._warmed_up = 0

    def statistics(self) -> dict[str, float]:
        """Return the sums of the statistics over the steps since `clear`. Waits for the device."""
        sums = self._shared_sums()
        return {} if sums is None else dict(zip(self._names, sums.tolist(), strict=True))

    def first_bad(self) -> int:
        """Return the number, from 0, of the first step that was not finite; NEVER if none. Waits for the device."""
        return int(self._first_bad)

    def clear(self) -> None:
        """Begin new sums."""
        if self._sums is not None:
            self._sums.zero_()

    def state(self) -> dict[str, Any]:
        """Return what `load` needs to go on, beside the model's weights."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "draw": self.draw,
            "names": list(self._names),
            "sums": self._shared_sums(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self._lr
            group["capturable"] = self.device.type == "cuda"
        self._names, self._sums = list(state["names"]), state["sums"]
        self._first_bad.fill_(NEVER)
        self.redraw(state["draw"])

    def _shared_sums(self) -> Tensor | None:
        # The same in all processes, so that a training may be continued by another number of them.
        with distributed.sharing():
            return None if self._sums is None else distributed.all_reduce_sum(self._sums) / distributed.world_size()

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
        self._lr.fill_(learning_rate(self.config.training, step))
        self._temperature.fill_(temperature(self.config.training, step))
        self._step.fill_(step)
        key = self.crops.key(step)
        if self._feed:
            with record_function("sqspeech::data"):
                self._brought = self._feed.bring(key)
        else:
            self._key.fill_(key)

    def _draw(self) -> Batch:
        with record_function("sqspeech::data"):
            return self.crops.batch(self._key)

    def _train(self) -> None:
        with distributed.sharing(), float32_products(tf32=self.config.training.precision != "float32"):
            mel, speaker = self._brought or self._draw()
            self.optimizer.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._in_half(), cache_enabled=False):
                output = self.model(mel, speaker, self._temperature)
            with record_function("sqspeech::backward"):
                output.loss.backward()
            with record_function("sqspeech::clip"):
                # One message: the network is small, and there is no later layer's work to hide it behind.
                distributed.average_gradients(self.model.parameters())
                norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.training.gradient_clip)
            with record_function("sqspeech::optimizer"):
                self.optimizer.step()
            statistics = {
                "loss": output.loss,
                "reconstruction": output.reconstruction,
                "mse_db2": output.mse * self.config.features.top_db**2,
                **output.quantized.statistics,
                "gradient_norm": norm,
            }
            self._add({name: value.detach() for name, value in statistics.items()})

    def _in_half(self) -> bool:
        return self.device.type == "cuda" and self.config.training.precision == "bfloat16"

    def _add(self, statistics: Mapping[str, Tensor]) -> None:
        values = torch.stack([value.float() for value in statistics.values()])
        if self._sums is None:
            self._names, self._sums = list(statistics), torch.zeros_like(values)
        self._sums += values
        finite = torch.isfinite(values).all()
        bad = torch.where(finite, NEVER, self._step)
        torch.minimum(self._first_bad, bad, out=self._first_bad)

    def _warm_up(self) -> None:
        # On another stream than the default one, as the recording will be.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._train()
        torch.cuda.current_stream().wait_stream(stream)
        self._warmed_up += 1

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # so that the graph allocates gradients of its own
        # On a stream of this device: torch's own, which all recordings share, is of the device of the first.
        with torch.cuda.graph(graph, stream=torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            self._train()
        self._graph = graph
        graph.replay()
