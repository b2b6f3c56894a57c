"""Quantisers: modules that map (B, T, D) latents to codewords; each works in any network."""

from sqspeech.quantizers.base import Quantized
from sqspeech.quantizers.gaussian_sq import GaussianSQ, GaussianSQConfig
from sqspeech.quantizers.gaussian_vae import GaussianVae, GaussianVaeConfig
from sqspeech.quantizers.vmf_sq import VmfSQ, VmfSQConfig
from sqspeech.quantizers.vq_ema import VqEma, VqEmaConfig

type Quantizer = GaussianSQ | VmfSQ | VqEma | GaussianVae
type QuantizerConfig = GaussianSQConfig | VmfSQConfig | VqEmaConfig | GaussianVaeConfig

__all__ = [
    "GaussianSQ",
    "GaussianSQConfig",
    "GaussianVae",
    "GaussianVaeConfig",
    "Quantized",
    "Quantizer",
    "QuantizerConfig",
    "VmfSQ",
    "VmfSQConfig",
    "VqEma",
    "VqEmaConfig",
    "build_quantizer",
]


def build_quantizer(config: QuantizerConfig) -> Quantizer:
    """Return the quantiser of a configuration."""
    match config:
        case GaussianSQConfig():
            return GaussianSQ(config)
        case VmfSQConfig():
            return VmfSQ(config)
        case VqEmaConfig():
            return VqEma(config)
        case GaussianVaeConfig():
            return GaussianVae(config)
