"""Small models for tests of units."""

import numpy as np
import torch

from sqspeech.checkpoint import TrainedModel, build_model
from sqspeech.config import ExperimentConfig
from sqspeech.features import LogMel

QUANTIZERS = {
    "sq-I": {"name": "gaussian_sq", "variance": "I"},
    "sq-IV": {"name": "gaussian_sq", "variance": "IV"},
    "vmf": {"name": "vmf_sq"},
    "vq": {"name": "vq_ema"},
}


def make_model(name: str = "sq-IV", width: int = 24, *, normalize: bool = False, **sections: object) -> TrainedModel:
    """An untrained model whose BatchNorm has seen something, and whose codebook is near the latents."""
    torch.manual_seed(0)
    quantizer = {**QUANTIZERS[name], "codebook_size": 32, "codebook_dim": 8}
    encoder = {"width": width, "normalize": normalize}
    config = ExperimentConfig.from_dict({"encoder": encoder, "quantizer": quantizer, **sections}, "test")
    model, log_mel = build_model(config, 2), LogMel(config.features)
    with torch.no_grad():
        mel = log_mel(torch.from_numpy(noise(2.0)))[None]
        model.train()
        for _ in range(20):
            model.encoder(mel)
        model.eval()
        z = model.encoder(mel)[0, :, : model.quantizer.dim]
        model.quantizer.codebook.copy_(z[torch.randperm(len(z))[:32]])
    return TrainedModel(
        config=config,
        speakers=["a", "b"],
        pitch={},
        model=model,
        log_mel=log_mel,
        device=torch.device("cpu"),
        digest="0" * 16,
    )


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose colour and level move."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 16000)
    tone = np.sin(2 * np.pi * np.cumsum(200 + 1500 * rng.random(count // 800 + 1).repeat(800)[:count]) / 16000)
    level = rng.random(count // 1600 + 1).repeat(1600)[:count]
    return (0.3 * level * (tone + rng.standard_normal(count))).astype(np.float32)
