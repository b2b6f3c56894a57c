"""Quantisers: modules that map (B, T, D) latents to codewords; each works in any network."""

from sqspeech.quantizers.base import Quantized
from sqspeech.quantizers.gaussian_sq import GaussianSQ, GaussianSQConfig

__all__ = ["GaussianSQ", "GaussianSQConfig", "Quantized"]
