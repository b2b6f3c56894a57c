"""The source-filter vocoder as a task: crops of log-mel, pitch and samples, spectral losses, discriminators."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.profiler import record_function

from sqspeech import distributed
from sqspeech.checkpoint import read_checkpoint
from sqspeech.data.crops import Crops
from sqspeech.data.feature_store import FeatureStore, read_state
from sqspeech.data.frame_cache import load_joined
from sqspeech.quantizers.precision import full_precision
from sqspeech.training.process_group import processes_here
from sqspeech.training.tasks.base import TASKS, Batch, Residency, Task, Update
from sqspeech.training.vocoder.config import VocoderConfig
from sqspeech.training.vocoder.crop import Crop, blurred
from sqspeech.training.vocoder.discriminators import adversarial_loss, discriminator_loss, matching_loss
from sqspeech.training.vocoder.model import VocoderModel
from sqspeech.training.vocoder.rows import VocoderData, open_data
from sqspeech.training.vocoder.validation import VocoderValidation

BETAS, WEIGHT_DECAY = (0.8, 0.99), 0.01
# The learning rate ends at this share of its highest.
LAST_RATE = 0.02
AVERAGE = "average."


@TASKS.register("vocoder", config=VocoderConfig)
class VocoderTask(Task[VocoderConfig, VocoderData, VocoderModel]):
    """Train a source-filter vocoder on a dump to which `sqspeech vocoder-data` has added pitch and samples."""

    best = "dev_loss"
    shown: ClassVar = {
        "loss": "loss {:.3f}",
        "mel": "mel {:.3f}",
        "harmonic": "harmonic {:.3f}",
        "discriminators": "discriminators {:.3f}",
        "dev_loss": "| dev {:.3f}",
        "dev_natural": "natural {:.3f}",
    }

    def open_data(self, path: Path) -> tuple[VocoderData, VocoderData]:
        """Open the dumps train/ and dev/ of a folder."""
        codec = self._codec_digest()
        train, dev = (
            open_data(FeatureStore.open(path / name, self.config.features), codec) for name in ("train", "dev")
        )
        return train, dev

    def model(self, train: VocoderData) -> VocoderModel:
        """See `Task`."""
        return VocoderModel(self.config)

    def batches(
        self, model: VocoderModel, train: VocoderData, device: torch.device, residency: Residency, part: tuple[int, int]
    ) -> Crops:
        """See `Task`."""
        stores, data = [train.features, train.rows], train.features.data
        frames = load_joined(stores, residency, self.config.crops.storage, device, sharers=processes_here())
        places = {speaker: index for index, speaker in enumerate(data.speakers)}
        speakers = [places[utterance.spk_id] for utterance in data]
        return Crops(frames, speakers, self.config.crops, seed=self.config.training.seed, part=part, context=0)

    def schedule(self, step: int) -> dict[str, float]:
        """Return the learning rates, and the share of the running mean of the weights."""
        training = self.config.training
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / training.anneal)))
        rate = min(1.0, (step + 1) / training.warm_up) * (LAST_RATE + (1 - LAST_RATE) * fall)
        rates = {"learning_rate": training.learning_rate * rate}
        if self.config.discriminators.begin is not None:
            rates["discriminator_rate"] = self.config.discriminators.learning_rate
        return {**rates, "average": min(training.average, (1 + step) / (10 + step))}

    def phase(self, step: int) -> str:
        """Return `adversarial` where the discriminators are there."""
        begin = self.config.discriminators.begin
        return "adversarial" if begin is not None and step >= begin else ""

    def optimizers(self, model: VocoderModel, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """See `Task`."""
        on_gpu = values["learning_rate"].device.type == "cuda"
        settings: dict[str, Any] = {"betas": BETAS, "weight_decay": WEIGHT_DECAY, "fused": True, "capturable": on_gpu}
        found: dict[str, Optimizer] = {
            "generator": AdamW(model.generator.parameters(), lr=values["learning_rate"], **settings)
        }
        if model.discriminators is not None:
            rate = values["discriminator_rate"]
            found["discriminators"] = AdamW(model.discriminators.parameters(), lr=rate, **settings)
        return found

    def step(
        self, model: VocoderModel, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """See `Task`."""
        crop = self._crop(batch[0])
        with record_function("sqspeech::generator"):
            mel, noise = self._mixed(crop), _white(crop.wave, model.generator.n_fft)
            made, harmonic = model.generator(mel, crop.f0, crop.phase, noise)
        edge = self.config.margin * self.config.features.hop_length
        made, harmonic, wanted = (signal[:, edge:-edge] for signal in (made, harmonic, crop.wave))
        statistics: dict[str, Tensor] = {}
        with full_precision(made.device), record_function("sqspeech::losses"):
            losses = model.losses(made, wanted, harmonic)
        if phase == "adversarial":
            statistics |= self._discriminate(model, made, wanted, update)
            losses |= self._deceive(model, made, wanted)
        loss = torch.stack(list(losses.values())).sum()
        norm = update("generator", loss)
        with torch.no_grad():
            for mean, value in zip(model.average.parameters(), model.generator.parameters(), strict=True):
                mean.lerp_(value, 1 - values["average"])
        return {"loss": loss, **losses, **statistics, "gradient_norm": norm}

    def dev_metrics(
        self, model: VocoderModel, train: VocoderData, dev: VocoderData, device: torch.device
    ) -> Callable[[VocoderModel], dict[str, float]]:
        """See `Task`."""
        validation = VocoderValidation(dev, device, decoded=self.config.inputs.codec is not None)
        return lambda trained: validation(trained.average, trained.losses)

    def better(self, found: float, best: float, step: int) -> bool:
        """See `Task`; losses on dev do not tell what discriminators bring: from then on the newest is best."""
        return self.phase(step - 1) == "adversarial" or super().better(found, best, step)

    def content(self, model: VocoderModel, about: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`; `vocoder` is for `attach-vocoder`."""
        vocoder = {"name": "neural", "network": asdict(self.config.network), "prefix": AVERAGE}
        return {**super().content(model, about, training), "vocoder": vocoder}

    def fingerprints(self, train: VocoderData, dev: VocoderData) -> dict[str, str]:
        """See `Task`."""
        return {name: read_state(data.features.path).fingerprint for name, data in (("train", train), ("dev", dev))}

    def _codec_digest(self) -> str | None:
        codec = self.config.inputs.codec
        digest: str | None = read_checkpoint(Path(codec), torch.device("cpu"))["digest"] if codec else None
        return digest

    def _crop(self, rows: Tensor) -> Crop:
        return Crop.of(rows, self.config.features, decoded=self.config.inputs.codec is not None)

    def _mixed(self, crop: Crop) -> Tensor:
        """Return the log-mel that the network is given: of each row the recording's, decoded or blurred."""
        inputs, mel = self.config.inputs, crop.mel
        draw = distributed.uniform(mel[:, :1, :1])
        if inputs.decoded and crop.decoded is not None:
            mel = torch.where(draw < inputs.decoded, crop.decoded, mel)
        if inputs.blurred:
            mel = torch.where(draw >= 1 - inputs.blurred, blurred(crop.mel), mel)
        return mel

    def _discriminate(self, model: VocoderModel, made: Tensor, wanted: Tensor, update: Update) -> dict[str, Tensor]:
        assert model.discriminators is not None
        with record_function("sqspeech::discriminators"):
            loss = discriminator_loss(model.discriminators(wanted), model.discriminators(made.detach()))
        return {"discriminators": loss, "discriminator_norm": update("discriminators", loss)}

    def _deceive(self, model: VocoderModel, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        assert model.discriminators is not None
        config = self.config.discriminators
        with record_function("sqspeech::discriminators"):
            with torch.no_grad():
                real = model.discriminators(wanted)
            found = model.discriminators(made)
        return {
            "adversarial": config.adversarial_weight * adversarial_loss(found),
            "matching": config.matching_weight * matching_loss(real, found),
        }


def _white(wave: Tensor, n_fft: int) -> Tensor:
    """Return uniform noise of power 1 for the samples of a wave, and half a window beyond either end."""
    like = wave.new_empty(()).expand(len(wave), wave.shape[1] + n_fft)
    return math.sqrt(12) * (distributed.uniform(like) - 0.5)
