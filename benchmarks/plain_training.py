"""Training as it is usually written: a file an item, the N × D × K distance, one Adam, numbers read at every step.

The network and the objective are those of sqspeech, so that what is compared is how they are run.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import CONTEXT
from sqspeech.models.encoder import ConvEncoder
from sqspeech.models.gru_decoder import GruDecoder
from sqspeech.models.sqvae import ar_elbo
from sqspeech.quantizers import GaussianSQConfig

# Workers are restarted at the end of an epoch, so a small corpus is listed until its epoch has so many batches.
BATCHES = 200


@dataclass(frozen=True, kw_only=True)
class FeatureFile:
    """The log-mel of an utterance as a .npy file (T, M), and the index of its speaker."""

    path: Path
    speaker: int


class RandomCrops(Dataset[tuple[Tensor, int]]):
    """A random crop of each file."""

    def __init__(self, files: Sequence[FeatureFile], length: int) -> None:
        self.files, self.length = files, length

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        file = self.files[index]
        mel = np.load(file.path)
        start = int(torch.randint(len(mel) - self.length + 1, ()))
        return torch.from_numpy(mel[start : start + self.length]), file.speaker


class PlainQuantizer(nn.Module):
    """Gaussian SQ, variance IV, as published: the differences z_nd − b_kd of all positions and codewords at once."""

    def __init__(self, config: GaussianSQConfig) -> None:
        super().__init__()
        self.codebook = nn.Parameter(torch.randn(config.codebook_size, config.codebook_dim))
        self.log_variance = nn.Parameter(torch.tensor(math.log(config.initial_variance)))

    def forward(self, z: Tensor, extra: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the Gumbel-softmax sample (B, T, D), the KL divergence and the batch's perplexity."""
        weight = torch.exp(-(self.log_variance + extra))
        flat, flat_weight = z.flatten(0, 1), weight.flatten(0, 1)
        distance = ((flat[:, None] - self.codebook).square() * flat_weight[:, None]).sum(-1)
        logits = -0.5 * distance
        y = functional.gumbel_softmax(logits, tau=temperature)
        z_q = (y @ self.codebook).view_as(z)
        energy = 0.5 * (weight * (z - z_q).square()).sum((1, 2)).mean()
        log_posterior = torch.log_softmax(logits, -1)
        negative_entropy = (log_posterior.exp() * log_posterior).sum() / len(z)
        kl = energy + negative_entropy + z.shape[1] * math.log(len(self.codebook))
        used = torch.bincount(logits.argmax(-1), minlength=len(self.codebook)) / len(logits)
        perplexity = torch.exp(-(used * torch.log(used + 1e-10)).sum())
        return z_q, kl, perplexity


class PlainSQVAE(nn.Module):
    """The same network with parameters of the same names: the state of one fits `sqspeech.models.sqvae.SQVAE`."""

    def __init__(self, config: ExperimentConfig, n_speakers: int) -> None:
        super().__init__()
        if not isinstance(config.quantizer, GaussianSQConfig) or config.quantizer.variance != "IV":
            raise ValueError("the plain training knows Gaussian SQ of variance IV only")
        dim, n_mels = config.quantizer.codebook_dim, config.features.n_mels
        self.quantizer = PlainQuantizer(config.quantizer)
        self.encoder = ConvEncoder(config.encoder, n_mels, 2 * dim)
        self.decoder = GruDecoder(config.decoder, dim, n_mels, n_speakers, stride=2)

    def forward(self, mel: Tensor, speaker: Tensor, temperature: float) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        z, extra = self.encoder(mel).chunk(2, -1)
        z_q, kl, perplexity = self.quantizer(z, extra, temperature)
        mel_hat = self.decoder(z_q, speaker)
        mse = functional.mse_loss(mel_hat, self.encoder.geometry.target(mel))
        reconstruction = ar_elbo(mse, mel_hat.shape[1] * mel_hat.shape[2])
        return {
            "loss": reconstruction + kl,
            "reconstruction": reconstruction,
            "mse": mse,
            "kl": kl,
            "perplexity": perplexity,
        }


class PlainTraining:
    """The loop's step, in float32, and the batches that `workers` processes read from the files.

    Parameters
    ----------
    files
        At least as long as a crop with its context.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        files: Sequence[FeatureFile],
        n_speakers: int,
        device: torch.device,
        *,
        workers: int = 2,
    ) -> None:
        torch.manual_seed(config.training.seed)
        self.config, self.device = config.training, device
        self.model = PlainSQVAE(config, n_speakers).to(device).train()
        self.optimizer = optim.Adam(self.model.parameters(), lr=self.config.learning_rate)
        milestones = list(self.config.learning_rate_milestones)
        self.schedule = optim.lr_scheduler.MultiStepLR(self.optimizer, milestones, gamma=0.5)
        times = math.ceil(BATCHES * config.crops.batch_size / len(files))
        loader = DataLoader(
            RandomCrops(list(files) * times, config.crops.frames + CONTEXT),
            batch_size=config.crops.batch_size,
            shuffle=True,
            num_workers=workers,
            drop_last=True,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )
        self.batches: Iterator[tuple[Tensor, Tensor]] = (batch for epoch in repeat(loader) for batch in epoch)

    def __call__(self, step: int) -> dict[str, float]:
        """Train one step, the `step`-th from 0, and return what is logged."""
        mel, speaker = (values.to(self.device, non_blocking=True) for values in next(self.batches))
        result = self.model(mel, speaker, math.exp(-self.config.temperature_decay * step))
        self.optimizer.zero_grad()
        result["loss"].backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        self.schedule.step()
        return {name: value.item() for name, value in result.items()} | {"gradient_norm": norm.item()}
