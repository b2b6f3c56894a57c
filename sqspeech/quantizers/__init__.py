"""Quantisers: modules that map (B, T, D) latents to codewords; each works in any network."""

from sqspeech.quantizers.base import (
    QUANTIZERS,
    Choice,
    Quantized,
    Quantizer,
    QuantizerConfig,
    build_quantizer,
)
from sqspeech.quantizers.gaussian_sq import GaussianSQ, GaussianSQConfig
from sqspeech.quantizers.gaussian_vae import GaussianVae, GaussianVaeConfig
from sqspeech.quantizers.vmf_sq import VmfSQ, VmfSQConfig
from sqspeech.quantizers.vq_ema import VqEma, VqEmaConfig

__all__ = [
    "QUANTIZERS",
    "Choice",
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
