"""The speech SQ-VAE as a task: crops of log-mel, one Adam, errors and code usage on dev."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from sqspeech.checkpoint import build_model, checkpoint_content
from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import Crops
from sqspeech.data.feature_store import FeatureStore, read_state
from sqspeech.data.frame_cache import load_frames
from sqspeech.data.speaker_bands import speaker_bands
from sqspeech.data.speaker_pitch import read_speaker_pitch
from sqspeech.errors import ConfigError, DataError
from sqspeech.models.sqvae import SQVAE
from sqspeech.training.codebook_faults import find_faults
from sqspeech.training.dev_metrics import Validation
from sqspeech.training.process_group import processes_here
from sqspeech.training.schedules import learning_rate, temperature
from sqspeech.training.spectrum_discriminator import SpectrumDiscriminator, sharpen
from sqspeech.training.tasks.base import TASKS, Batch, Residency, Task, Update

DISCRIMINATOR_BETAS = (0.5, 0.9)
# The share of its learning rate with which the decoder ends its adversarial phase.
LAST_RATE = 0.1


@TASKS.register("sqvae", config=ExperimentConfig)
class SqvaeTask(Task[ExperimentConfig, FeatureStore, SQVAE]):
    """Train an SQ-VAE on the features of a dump; `dev` has no other speakers than `train`."""

    best = "dev_mse_db2"
    shown: ClassVar = {
        "mse_db2": "mse {:.1f} dB²",
        "kl": "kl {:.1f}",
        "commitment": "commitment {:.3g}",
        "log_variance": "log σ² {:.2f}",
        "temperature": "τ {:.2f}",
        "discriminator": "discriminator {:.2f}",
        "dev_mse_db2": "| dev {:.1f} dB²",
        "dev_perplexity": "perplexity {:.0f}",
        "dev_active_codes": "codes {:.0f}",
    }

    def open_data(self, path: Path) -> tuple[FeatureStore, FeatureStore]:
        """Open the dumps train/ and dev/ of a folder."""
        train, dev = (FeatureStore.open(path / name, self.config.features) for name in ("train", "dev"))
        return train, dev

    def model(self, train: FeatureStore) -> SQVAE:
        """See `Task`."""
        speakers, discriminator = len(train.data.speakers), self.config.discriminator
        model = build_model(self.config, speakers)
        if discriminator.begin is not None:
            model.discriminator = SpectrumDiscriminator(discriminator, speakers)
        return model

    def batches(
        self, model: SQVAE, train: FeatureStore, device: torch.device, residency: Residency, part: tuple[int, int]
    ) -> Crops:
        """See `Task`; raises ConfigError where crops are no whole number of the encoder's units."""
        geometry, crops = model.geometry, self.config.crops
        if crops.frames % geometry.stride:
            raise ConfigError(f"crops.frames: {crops.frames} is no multiple of the encoder's stride, {geometry.stride}")
        frames = load_frames(train, residency, self.config.crops.storage, device, sharers=processes_here())
        places = {speaker: index for index, speaker in enumerate(train.data.speakers)}
        speakers = [places[utterance.spk_id] for utterance in train.data]
        context = geometry.left + geometry.right
        return Crops(frames, speakers, crops, seed=self.config.training.seed, part=part, context=context)

    def schedule(self, step: int) -> dict[str, float]:
        """Return the Gumbel temperature and the learning rates."""
        training, discriminator = self.config.training, self.config.discriminator
        rates = {"temperature": temperature(training, step), "learning_rate": learning_rate(training, step)}
        if discriminator.begin is None:
            return rates
        done = max(0, step - discriminator.begin) / max(1, training.steps - discriminator.begin)
        rate = discriminator.learning_rate
        return {**rates, "decoder_rate": rate * (1 - (1 - LAST_RATE) * done), "discriminator_rate": rate}

    def phase(self, step: int) -> str:
        """Return `adversarial` where the units are fixed and the decoder has a discriminator."""
        begin = self.config.discriminator.begin
        return "adversarial" if begin is not None and step >= begin else ""

    def optimizers(self, model: SQVAE, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """See `Task`."""
        on_gpu = values["learning_rate"].device.type == "cuda"
        settings: dict[str, Any] = {"fused": True, "capturable": on_gpu}
        own = [weights for name, weights in model.named_parameters() if not name.startswith("discriminator.")]
        found: dict[str, Optimizer] = {"model": torch.optim.Adam(own, lr=values["learning_rate"], **settings)}
        if model.discriminator is not None:
            decoder, betas = model.get_submodule("decoder").parameters(), DISCRIMINATOR_BETAS
            found["decoder"] = torch.optim.Adam(decoder, lr=values["decoder_rate"], **settings)
            found["discriminator"] = torch.optim.Adam(
                model.discriminator.parameters(), lr=values["discriminator_rate"], betas=betas, **settings
            )
        return found

    def step(
        self, model: SQVAE, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """See `Task`."""
        if phase == "adversarial":
            assert isinstance(model.discriminator, SpectrumDiscriminator)
            statistics = dict(sharpen(model, model.discriminator, self.config.discriminator, batch, update))
            return {"mse_db2": self._in_db2(statistics.pop("mse")), **statistics}
        mel, speaker = batch
        output = model(mel, speaker, values["temperature"])
        norm = update("model", output.loss)
        return {
            "loss": output.loss,
            "reconstruction": output.reconstruction,
            "mse_db2": self._in_db2(output.mse),
            **output.quantized.statistics,
            "gradient_norm": norm,
        }

    def _in_db2(self, mse: Tensor) -> Tensor:
        return mse * self.config.features.top_db**2

    def better(self, found: float, best: float, step: int) -> bool:
        """See `Task`; errors on dev do not tell what a discriminator brings: from then on the newest is best."""
        return self.phase(step - 1) == "adversarial" or super().better(found, best, step)

    def dev_metrics(
        self, model: SQVAE, train: FeatureStore, dev: FeatureStore, device: torch.device
    ) -> Callable[[SQVAE], dict[str, float]]:
        """See `Task`."""
        shortest, longest = model.geometry.shortest, max(dev.lengths(), default=0)
        if longest < shortest:
            raise DataError(
                f"{dev.path}: no utterance reaches the {shortest} frames of a unit (the longest of {len(dev)} has "
                f"{longest}); give a dev set of longer recordings"
            )
        return Validation(dev, train.data.speakers, self.config.features.top_db, device)

    def warnings(
        self, model: SQVAE, train: Mapping[str, float], dev: Mapping[str, float], validations: int
    ) -> dict[str, str]:
        """See `Task`."""
        return find_faults(model.quantizer.codebook_size, train, dev, validations)

    def about(self, train: FeatureStore) -> dict[str, Any]:
        """Return the speakers, their bands, and the pitch of those that have one."""
        pitch, bands = read_speaker_pitch(train.path), speaker_bands(train)
        return {"speakers": train.data.speakers, "pitch": pitch, "bands": bands}

    def content(self, model: SQVAE, about: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        return checkpoint_content(self.config, about["speakers"], about["pitch"], model, training, about["bands"])

    def check_resumed(self, content: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> None:
        """See `Task`."""
        if content["speakers"] != about["speakers"]:
            raise DataError(f"{path}: was trained on other speakers than this dump has; choose another folder")

    def fingerprints(self, train: FeatureStore, dev: FeatureStore) -> dict[str, str]:
        """See `Task`."""
        return {name: read_state(store.path).fingerprint for name, store in (("train", train), ("dev", dev))}
