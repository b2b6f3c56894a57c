"""Quantisers: modules that map (B, T, D) latents to codewords; each works in any network."""

from sqspeech.quantizers.base import (
    QUANTIZERS,
    Choice,
    Quantized,
    Quantizer,
    QuantizerConfig,
    build_quantizer,
)
from sqspeech.quantizers.fsq import FSQ, FSQConfig
from sqspeech.quantizers.gaussian_sq import GaussianSQ, GaussianSQConfig
from sqspeech.quantizers.gaussian_vae import GaussianVae, GaussianVaeConfig
from sqspeech.quantizers.residual import Residual, ResidualConfig, first_stages
from sqspeech.quantizers.sim_vq import SimVQ, SimVQConfig
from sqspeech.quantizers.vmf_sq import VmfSQ, VmfSQConfig
from sqspeech.quantizers.vq_ema import VqEma, VqEmaConfig

__all__ = [
    "FSQ",
    "QUANTIZERS",
    "Choice",
    "FSQConfig",
    "GaussianSQ",
    "GaussianSQConfig",
    "GaussianVae",
    "GaussianVaeConfig",
    "Quantized",
    "Quantizer",
    "QuantizerConfig",
    "Residual",
    "ResidualConfig",
    "SimVQ",
    "SimVQConfig",
    "VmfSQ",
    "VmfSQConfig",
    "VqEma",
    "VqEmaConfig",
    "build_quantizer",
    "first_stages",
]
