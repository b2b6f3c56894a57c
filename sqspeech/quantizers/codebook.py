"""A quantiser with one codebook: what is the same for all of them."""

import copy

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.errors import ConfigError
from sqspeech.graph import DOUBLE, Graph
from sqspeech.quantizers.base import Choice
from sqspeech.quantizers.graph import add_channels, add_nearest

# The difference of two scores, relative to their size, below which rounding in the encoder may decide between them.
ROUNDING = 3e-5


class Codebook(nn.Module):
    """Base of the quantisers with K codewords, who have `scores` and `lookup` of their own.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        0: the encoder gives nothing beside the latents.
    stages
        1.
    """

    dim: int
    codebook_size: int
    extra_channels = 0
    stages = 1

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T *Q K"]:
        """Return what the chosen codeword has most of, in double precision."""
        raise NotImplementedError

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        raise NotImplementedError

    def choose(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Choice:
        """Return the codes of the highest scores, and where two are as near as rounding."""
        best = self.scores(z, extra).topk(2)
        gap, size = best.values[..., 0] - best.values[..., 1], best.values.abs().sum(-1)
        near = gap <= ROUNDING * size
        return Choice(codes=best.indices[..., 0], near=near if near.dim() == z.dim() - 1 else near.any(-1))

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T *Q K"]:
        """Return P(z_q = b_k | z), the softmax of the scores."""
        return functional.softmax(self.scores(z, extra), dim=-1).float()

    def add_to_graph(self, graph: Graph, encoded: str) -> None:
        """Append the choice of codes to an ONNX graph; see `Quantizer`."""
        continuous = graph.add("Identity", add_channels(graph, encoded, 0, self.dim), output="continuous")
        latents = graph.add("Cast", continuous, to=DOUBLE)
        extra = None
        if self.extra_channels:
            extra = add_channels(graph, encoded, self.dim, self.dim + self.extra_channels)
        codes, vectors = self.add_choice(graph, latents, extra)
        graph.add("Identity", codes, output="codes")
        graph.add("Identity", vectors, output="vectors")

    def add_choice(self, graph: Graph, latents: str, extra: str | None) -> tuple[str, str]:
        """Append the choice for latents (L, D) in double precision and the other channels (L, E).

        Returns the names of the codes and of their codewords (L, D) in single precision. For a choice by weighted
        distance with one weight for all dimensions, whose value changes no choice.
        """
        return add_nearest(graph, latents, self.codewords())

    @torch.no_grad()
    def codewords(self) -> NDArray[np.float64]:
        """Return all codewords, shape (K, D)."""
        exact = copy.deepcopy(self).cpu().double()
        found: NDArray[np.float64] = exact.lookup(torch.arange(self.codebook_size)).numpy()
        return found


def no_posterior(name: str) -> ConfigError:
    """Return the error of whoever wants the posterior of a quantiser that chooses without probability."""
    return ConfigError(f"the quantizer {name} has no posterior; ask for codes or vectors, or use an SQ-VAE")
