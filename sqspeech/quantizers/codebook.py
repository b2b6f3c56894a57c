"""A quantiser with one codebook: what is the same for all of them."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sqspeech.errors import ConfigError
from sqspeech.graph import Graph
from sqspeech.quantizers.base import Choice
from sqspeech.quantizers.graph import add_codes, add_nearest

type Estimator = Callable[[Tensor, Tensor], Tensor]

# The difference of two scores, relative to their size, below which rounding in the encoder may decide between them.
ROUNDING = 3e-5


class Codebook(nn.Module):
    """Base of the quantisers with K codewords, which add `forward`, `encode`, `scores` and `lookup`.

    Attributes
    ----------
    dim, codebook_size
        D and K.
    extra_channels
        0: the encoder gives nothing beside the latents.
    stages
        1.
    soft
        False: speech is made of codewords, and not of their means under the posterior.
    estimator
        Function of the latents and their codewords that gives the codewords with a gradient to the latents; None where
        the result is differentiable by itself.
    """

    dim: int
    codebook_size: int
    extra_channels = 0
    stages = 1
    soft = False
    estimator: Estimator | None = None

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T"]:
        """Return the most probable codes, in memory that is bounded however long the input is."""
        raise NotImplementedError

    def scores(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float64[Tensor, "B T K"]:
        """Return what the chosen codeword has most of, in double precision."""
        raise NotImplementedError

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of `codes`."""
        raise NotImplementedError

    def choose(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        rounding: float | Float[Tensor, "B T"] = ROUNDING,
    ) -> Choice:
        """Return the codes of the highest scores, and where two differ by less than `rounding` of their size."""
        best = self.scores(z, extra).topk(2)
        gap, size = best.values[..., 0] - best.values[..., 1], best.values.abs().sum(-1)
        return Choice(codes=best.indices[..., 0], near=gap <= rounding * size)

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """Return P(z_q = b_k | z), the softmax of the scores."""
        return functional.softmax(self.scores(z, extra), dim=-1).float()

    def add_to_graph(self, graph: Graph, encoded: str) -> None:
        """Append the choice of codes to an ONNX graph; see `Quantizer`."""
        add_codes(graph, encoded, self.dim, self.extra_channels, self.add_choice)

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
