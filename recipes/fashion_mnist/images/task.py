"""The SQ-VAE of images as a task of the engine."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.optim import Optimizer

from images.config import ImageConfig
from images.image_set import ImageBatches, load_images
from images.measure import measure
from images.model import TASK, ImageSQVAE
from sqspeech.errors import ConfigError, DataError
from sqspeech.training.tasks.base import TASKS, Batch, Residency, Task, Update

type Images = UInt8[Tensor, "N C H W"]


@TASKS.register(TASK, config=ImageConfig)
class ImageTask(Task[ImageConfig, Images, ImageSQVAE]):
    """Train an SQ-VAE on the images that `images.prepare` wrote."""

    best = "dev_error"
    shown: ClassVar = {
        "pixel_loss": "pixel loss {:.4f}",
        "kl": "kl {:.1f}",
        "commitment": "commitment {:.3g}",
        "log_variance": "log σ² {:.2f}",
        "temperature": "τ {:.2f}",
        "dev_error": "| dev {:.2f}",
        "dev_perplexity": "perplexity {:.1f}",
        "dev_active_codes": "codes {:.0f}",
    }

    def open_data(self, path: Path) -> tuple[Images, Images]:
        """Read train.npz and dev.npz of a folder."""
        train, dev = (load_images(path / f"{name}.npz", self.config.images.resize) for name in ("train", "dev"))
        return train, dev

    def model(self, train: Images) -> ImageSQVAE:
        """See `Task`."""
        return ImageSQVAE(self.config, train.shape[1])

    def batches(
        self, model: ImageSQVAE, train: Images, device: torch.device, residency: Residency, part: tuple[int, int]
    ) -> ImageBatches:
        """See `Task`; the images are on the device whatever `residency` is, and batches are not shared out."""
        if part != (0, 1):
            raise ConfigError("images are trained on in one process; start it without torchrun")
        return ImageBatches(train.to(device), self.config.images.batch_size, self.config.training.seed)

    def schedule(self, step: int) -> dict[str, float]:
        """Return the Gumbel temperature."""
        return {"temperature": math.exp(-self.config.training.temperature_decay * step)}

    def optimizers(self, model: ImageSQVAE, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """See `Task`."""
        training, on_gpu = self.config.training, values["temperature"].device.type == "cuda"
        adam = torch.optim.Adam(
            model.parameters(), lr=training.learning_rate, betas=training.betas, fused=True, capturable=on_gpu
        )
        return {"model": adam}

    def step(
        self, model: ImageSQVAE, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """See `Task`."""
        output = model(*batch, values["temperature"])
        norm = update("model", output.loss)
        return {
            "loss": output.loss,
            "reconstruction": output.reconstruction,
            "pixel_loss": output.pixel_loss,
            **output.quantized.statistics,
            "gradient_norm": norm,
        }

    def dev_metrics(
        self, model: ImageSQVAE, train: Images, dev: Images, device: torch.device
    ) -> Callable[[ImageSQVAE], dict[str, float]]:
        """Return a function that gives `dev_error`, the target's first measure, and the others under their names."""
        if not len(dev):
            raise DataError("dev.npz: no images; prepare more of them")
        images = dev.to(device)

        def measured(model: ImageSQVAE) -> dict[str, float]:
            found = measure(model.eval(), images)
            model.train()
            numbers = {f"dev_{name}": value for name, value in found.items() if name not in ("usage", "codebook_size")}
            return {"dev_error": found[model.target.error], **numbers}

        return measured

    def about(self, train: Images) -> dict[str, Any]:
        """Return the number of channels."""
        return {"channels": train.shape[1]}

    def check_resumed(self, content: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> None:
        """Raise a DataError where the checkpoint is of images with other channels."""
        if content["channels"] != about["channels"]:
            raise DataError(f"{path}: was trained on images of {content['channels']} channels; choose another folder")
