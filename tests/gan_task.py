"""A task that has nothing to do with speech: a generator and a discriminator of points, each with its optimiser.

`python tests/gan_task.py train DATA EXP --config C` trains it, DATA holding train.pt and dev.pt.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.profiler import record_function

from sqspeech.config import EngineConfig, TaskConfig
from sqspeech.data.random_hash import hash_numbers, uniform
from sqspeech.errors import DataError
from sqspeech.training.tasks.base import TASKS, Task, Update

_STRICT = ConfigDict(extra="forbid", strict=True)
CODE, POINT = 2, 3


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GanTraining(EngineConfig):
    """The discriminator joins at a step, and is then updated at every `discriminator_every`-th."""

    batch_size: int = 4
    rate: float = 1e-2
    discriminator_from: int = 2
    discriminator_every: int = 2


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Network:
    width: int = 8


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GanConfig(TaskConfig):
    network: Network = Network()
    training: GanTraining = GanTraining()


class Gan(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(CODE, width), nn.Tanh(), nn.Linear(width, POINT))
        self.discriminator = nn.Sequential(nn.Linear(POINT, width), nn.Tanh(), nn.Linear(width, 1))


class Rows:
    """Random rows of a tensor, each a code and its point."""

    def __init__(self, rows: Tensor, device: torch.device, on_device: bool, size: int, part: tuple[int, int]) -> None:
        rank, processes = part
        self.seed, self.on_device = 0, on_device
        home = device if on_device else torch.device("cpu")
        self._rows, self._places = rows.to(home), (1 + torch.arange(size)).chunk(processes)[rank].to(home)

    def key(self, step: int) -> int:
        return hash_numbers(self.seed, step)

    def batch(self, key: int | Tensor) -> tuple[Tensor, ...]:
        rows = self._rows[(uniform(key, self._places) * len(self._rows)).long()]
        return rows[:, :CODE], rows[:, CODE:]

    def describe(self) -> str:
        return f"{len(self._rows)} points"


@TASKS.register("gan", config=GanConfig)
class GanTask(Task[GanConfig, Tensor, Gan]):
    best = "dev_error"
    shown: ClassVar = {"generator_loss": "generator {:.2f}"}

    def open_data(self, path: Path) -> tuple[Tensor, Tensor]:
        train, dev = (torch.load(path / f"{name}.pt", weights_only=True) for name in ("train", "dev"))
        return train, dev

    def model(self, train: Tensor) -> Gan:
        return Gan(self.config.network.width)

    def batches(
        self, model: nn.Module, train: Tensor, device: torch.device, residency: str, part: tuple[int, int]
    ) -> Rows:
        return Rows(train, device, residency != "host", self.config.training.batch_size, part)

    def schedule(self, step: int) -> dict[str, float]:
        return {"rate": self.config.training.rate * 0.9**step}

    def phase(self, step: int) -> str:
        since = step - self.config.training.discriminator_from
        return "both" if since >= 0 and since % self.config.training.discriminator_every == 0 else "generator"

    def optimizers(self, model: Gan, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        rate = values["rate"]
        networks = {"generator": model.generator, "discriminator": model.discriminator}
        settings = {"lr": rate, "fused": True, "capturable": rate.is_cuda}
        return {name: Adam(network.parameters(), **settings) for name, network in networks.items()}

    def step(
        self, model: Gan, batch: tuple[Tensor, ...], values: Mapping[str, Tensor], update: Update, phase: str
    ) -> dict[str, Tensor]:
        code, real = batch
        statistics: dict[str, Tensor] = {}
        with record_function("sqspeech::generator"):
            fake = model.generator(code) + 0.1 * torch.randn(CODE, device=code.device).sum()
        if phase == "both":
            loss = (model.discriminator(fake.detach()) - model.discriminator(real)).mean()
            statistics["discriminator_norm"] = update("discriminator", loss)
        error = (fake - real).square().sum(-1)
        loss = (error - model.discriminator(fake).squeeze(-1)).mean()
        return statistics | {"generator_norm": update("generator", loss), "generator_loss": loss, "error": error.mean()}

    def dev_metrics(self, model: Gan, train: Tensor, dev: Tensor, device: torch.device):
        if not len(dev):
            raise DataError("dev.pt: no points; give some")
        code, real = dev.to(device).split((CODE, POINT), -1)

        def measure(model: Gan) -> dict[str, float]:
            with torch.inference_mode():
                return {"dev_error": (model.generator(code) - real).square().mean().item()}

        return measure

    def warnings(
        self, model: Gan, train: Mapping[str, float], dev: Mapping[str, float], validations: int
    ) -> dict[str, str]:
        return {"late": f"{validations} validations"} if validations >= 2 else {}


def make_points(count: int, seed: int) -> Tensor:
    """Codes, and points that depend on them."""
    code = torch.rand(count, CODE, generator=torch.Generator().manual_seed(seed))
    return torch.cat([code, torch.stack([code.sum(-1), code.prod(-1), code[:, 0] - code[:, 1]], -1)], -1)
