"""A prior over the grid of codes as a task of the engine: a transformer that reads them in raster order."""

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.optim import Optimizer

from images.codes import Codes, load_codes
from sqspeech.checkpoint import read_checkpoint
from sqspeech.config import EngineConfig, TaskConfig
from sqspeech.errors import CheckpointError, DataError
from sqspeech.priors.unit_lm import UnitLM, UnitLMConfig
from sqspeech.priors.windows import Windows
from sqspeech.training.tasks.base import TASKS, Batch, Residency, Task, Update

TASK = "image_prior"
# Images at a time.
CHUNK = 250

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class PriorTraining(EngineConfig):
    """AdamW with a constant learning rate, on the codes of `batch_size` images."""

    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class ImagePriorConfig(TaskConfig):
    """Everything that makes a prior over the codes of images."""

    model: UnitLMConfig = field(default_factory=UnitLMConfig)
    training: PriorTraining = PriorTraining()


@TASKS.register(TASK, config=ImagePriorConfig)
class ImagePriorTask(Task[ImagePriorConfig, Codes, UnitLM]):
    """Train a transformer on the codes that `images.codes` wrote."""

    best = "dev_bits"
    shown: ClassVar = {"bits": "{:.1f} bits an image", "dev_bits": "| dev {:.1f}"}

    def open_data(self, path: Path) -> tuple[Codes, Codes]:
        """Read train.npz and dev.npz of a folder; raises DataError where they are of two models."""
        train, dev = (load_codes(path / f"{name}.npz") for name in ("train", "dev"))
        if train.digest != dev.digest:
            raise DataError(f"{path}: train and dev are of two models; run images.codes again")
        return train, dev

    def model(self, train: Codes) -> UnitLM:
        """See `Task`."""
        return UnitLM(self.config.model, [train.codebook_size] * train.codes.shape[2])

    def batches(
        self, model: UnitLM, train: Codes, device: torch.device, residency: Residency, part: tuple[int, int]
    ) -> Windows:
        """See `Task`; the codes are on the device whatever `residency` is."""
        return Windows(
            list(train.codes.numpy()),
            model.begin,
            batch_size=self.config.training.batch_size,
            length=train.codes.shape[1],
            seed=self.config.training.seed,
            device=device,
            part=part,
        )

    def optimizers(self, model: UnitLM, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """See `Task`."""
        on_gpu = model.begin.device.type == "cuda"
        rate = self.config.training.learning_rate
        return {"model": torch.optim.AdamW(model.parameters(), lr=rate, fused=True, capturable=on_gpu)}

    def step(
        self, model: UnitLM, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """See `Task`."""
        (steps,) = batch
        nats = model.nats(steps)
        loss = nats.mean()
        norm = update("model", loss)
        return {"loss": loss, "bits": nats.sum() / (len(nats) * math.log(2)), "gradient_norm": norm}

    def dev_metrics(
        self, model: UnitLM, train: Codes, dev: Codes, device: torch.device
    ) -> Callable[[UnitLM], dict[str, float]]:
        """Return a function that gives `dev_bits`, the mean bits of the codes of an image."""

        def measured(model: UnitLM) -> dict[str, float]:
            found = bits(model.eval(), dev.codes)
            model.train()
            return {"dev_bits": found}

        return measured

    def about(self, train: Codes) -> dict[str, Any]:
        """Return the codebook's size, the stages, and the digest of the model whose codes they are."""
        return {
            "codebook_size": train.codebook_size,
            "stages": train.codes.shape[2],
            "length": train.codes.shape[1],
            "digest_of_codes": train.digest,
        }

    def check_resumed(self, content: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> None:
        """Raise a DataError where the checkpoint was trained on the codes of another model."""
        if content["digest_of_codes"] != about["digest_of_codes"]:
            raise DataError(f"{path}: was trained on the codes of another model; choose another folder")


@torch.inference_mode()
def bits(model: UnitLM, codes: Int[Tensor, "N L Q"]) -> float:
    """Return the mean of −log₂ p over images; the model is in eval mode."""
    parts = [model.after_begin(chunk.to(model.begin.device)) for chunk in torch.split(codes, CHUNK)]
    nats = [model.nats(part).double().sum() for part in parts]
    return float(torch.stack(nats).sum()) / (len(codes) * math.log(2))


def load_prior(path: Path, device: torch.device) -> tuple[UnitLM, Mapping[str, Any]]:
    """Load a prior in eval mode, and what its checkpoint tells of the codes (see `ImagePriorTask.about`).

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or of another task.
    """
    content = read_checkpoint(path, device)
    if content.get("task") != TASK:
        raise CheckpointError(f"{path}: is no prior over codes of images; give a checkpoint of the task {TASK}")
    config = ImagePriorConfig.from_dict(content["config"], str(path))
    model = UnitLM(config.model, [content["codebook_size"]] * content["stages"])
    model.load_state_dict(content["model"])
    return model.to(device).eval(), content
