"""Small training steps of every kind, on any device."""

import torch

from sqspeech.checkpoint import build_model
from sqspeech.config import ExperimentConfig
from sqspeech.data.crops import Crops
from sqspeech.data.frame_cache import PackedFrames, pack
from sqspeech.training.step import TrainingStep

CPU = torch.device("cpu")
PRECISIONS = ("float32", "tf32", "bfloat16")
SAMPLINGS = ("utterance", "duration", "speaker")
SMALL = {"codebook_size": 8, "codebook_dim": 4}
QUANTIZERS = {
    **{f"gaussian_sq_{v}": {"name": "gaussian_sq", "variance": v} | SMALL for v in ("I", "II", "III", "IV")},
    "gaussian_sq_fixed": {"name": "gaussian_sq", "variance": "I", "learn_variance": False} | SMALL,
    "gaussian_sq_reset": {"name": "gaussian_sq", "variance": "I", "reset": True, "reset_after": 1} | SMALL,
    "vmf_sq": {"name": "vmf_sq"} | SMALL,
    "vq_ema": {"name": "vq_ema"} | SMALL,
    "vq_ema_reset": {"name": "vq_ema", "reset": True, "reset_after": 1} | SMALL,
    "vq_ema_rotation": {"name": "vq_ema", "rotation": True} | SMALL,
    "gaussian_vae": {"name": "gaussian_vae", "latent_dim": 4},
    "fsq": {"name": "fsq", "levels": [4, 3, 3]},
    "sim_vq": {"name": "sim_vq"} | SMALL,
    "residual_gaussian_sq_IV": {"name": "residual", "stages": 3, "quantizer": {"name": "gaussian_sq"} | SMALL},
    "residual_dropout": {"name": "residual", "stages": 3, "dropout": 0.5, "quantizer": {"name": "gaussian_sq"} | SMALL},
    "residual_vq_ema": {"name": "residual", "stages": 2, "quantizer": {"name": "vq_ema"} | SMALL},
}
LENGTHS = range(20, 40)
SPEAKERS = 3


def make_config(
    quantizer: str = "gaussian_sq_IV",
    *,
    precision: str = "float32",
    sampling: str = "utterance",
    normalize: bool = False,
) -> ExperimentConfig:
    document = {
        "encoder": {"width": 16, "normalize": normalize},
        "quantizer": QUANTIZERS[quantizer],
        "decoder": {"width": 8, "speaker_dim": 4},
        "crops": {"batch_size": 4, "frames": 16, "sampling": sampling},
        "training": {"precision": precision},
    }
    return ExperimentConfig.from_dict(document, "test")


def make_frames(device: torch.device = CPU) -> PackedFrames:
    torch.manual_seed(0)
    return pack([torch.rand(length, 80).numpy() for length in LENGTHS], device)


def make_step(
    config: ExperimentConfig, device: torch.device = CPU, *, eager: bool = True, frames: PackedFrames | None = None
) -> TrainingStep:
    torch.manual_seed(0)
    model = build_model(config, SPEAKERS).to(device).train()
    speakers = [number % SPEAKERS for number in range(len(LENGTHS))]
    crops = Crops(frames or make_frames(device), speakers, config.crops, seed=1)
    return TrainingStep(model, crops, config, device, eager=eager)
