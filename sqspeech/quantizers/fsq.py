"""Finite scalar quantisation."""

import math
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.graph import FLOAT, INT64, Graph, whole
from sqspeech.quantizers.base import QUANTIZERS, Choice, Quantized
from sqspeech.quantizers.codebook import ROUNDING, Codebook, no_posterior
from sqspeech.quantizers.gradients import straight_through
from sqspeech.quantizers.precision import at_least_single
from sqspeech.quantizers.statistics import batch_perplexity, keep_real

# More codes than this are counted in no array.
LARGEST = 2**20
# The bounds lie so far inside the outermost levels' intervals that tanh cannot leave them by rounding.
MARGIN = 1e-3


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class FSQConfig:
    """FSQ: how many `levels` each dimension has; their number is D and their product K.

    Each is 3 or more; the paper advises 5 or more: [8, 6, 5] for K = 240, [8, 5, 5, 5] for 1000, [7, 5, 5, 5, 5] for
    4375.
    """

    in_nats: ClassVar[bool] = False
    name: Literal["fsq"] = "fsq"
    levels: tuple[int, ...] = Field(default=(8, 5, 5, 5), min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "FSQConfig":
        if min(self.levels) < 3:
            raise ValueError(f"levels: 3 or more are needed in each dimension, not {min(self.levels)}")
        if math.prod(self.levels) > LARGEST:
            raise ValueError(f"levels: their product {math.prod(self.levels)} is above {LARGEST}; give fewer")
        return self


@QUANTIZERS.register("fsq", config=FSQConfig)
class FSQ(Codebook):
    """Each dimension is bounded by a tanh and rounded to one of L levels; nothing is learned.

    The levels are the integers from −⌊L/2⌋ on, in the result divided by ⌊L/2⌋, so that they lie in [−1, 1]. Of an even
    number the middle is at −½, and the tanh is shifted so that 0 stays 0. The gradient passes the rounding unchanged.

    Source: Mentzer et al., "Finite scalar quantization: VQ-VAE made simple", arXiv 2309.15505, section 3.1 and
    appendix A.1, where the shift is a tan in place of the inverse of the tanh.

    Attributes
    ----------
    dim, codebook_size
        D and K, the number of levels and their product.
    extra_channels
        0: the encoder gives nothing beside the latents.
    """

    levels: Tensor

    def __init__(self, config: FSQConfig) -> None:
        super().__init__()
        self.config, self.estimator = config, straight_through
        self.dim, self.codebook_size = len(config.levels), math.prod(config.levels)
        self.register_buffer("levels", torch.tensor(config.levels), persistent=False)

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch, in training and in eval mode alike.

        The loss is 0. `extra` and `temperature` are not used; `mask` is that of `Quantizer`.
        """
        with torch.autocast(z.device.type, enabled=False):
            bounded = self._bound(keep_real(at_least_single(z), mask))
            rounded = bounded.round()
            codes = self._join(rounded)
            perplexity = batch_perplexity(codes, self.codebook_size, mask)
            return Quantized(
                z=straight_through(bounded, rounded) / self._half(),
                codes=codes,
                loss=bounded.new_zeros(()),
                statistics={"batch_perplexity": perplexity},
            )

    @torch.no_grad()
    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T"]:
        """Return the codes, the first dimension's level their lowest digit."""
        with torch.autocast(z.device.type, enabled=False):
            return self._join(self._bound(at_least_single(z)).round())

    def choose(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        rounding: float | Float[Tensor, "B T"] = ROUNDING,
    ) -> Choice:
        """Return the codes, and where a dimension lies as near to the middle between two levels as rounding."""
        bounded = self._bound(z.double())
        from_middle = (bounded - bounded.floor() - 0.5).abs() / self.levels
        return Choice(codes=self._join(bounded.round()), near=from_middle.amin(-1) <= rounding)

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """Raise ConfigError: the level is chosen, with no probability."""
        raise no_posterior("fsq")

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the vectors of `codes`, in [−1, 1]."""
        digits = codes.unsqueeze(-1) // self._place() % self.levels
        return (digits - self._half()) / self._half().to(torch.get_default_dtype())

    def add_choice(self, graph: Graph, latents: str, extra: str | None) -> tuple[str, str]:
        """Append the choice to an ONNX graph."""
        scale, offset, shift = (x.cpu().numpy() for x in self._bounds(torch.float64))
        half, place = (x.cpu().numpy() for x in (self._half(), self._place()))
        tanh = graph.add("Tanh", graph.add("Add", latents, shift))
        rounded = graph.add("Round", graph.add("Sub", graph.add("Mul", tanh, scale), offset))
        digits = graph.add("Add", graph.add("Cast", rounded, to=INT64), half)
        codes = graph.add("ReduceSum", graph.add("Mul", digits, place), whole([1]), keepdims=0)
        return codes, graph.add("Cast", graph.add("Div", rounded, half.astype(np.float64)), to=FLOAT)

    def _bound(self, z: Tensor) -> Tensor:
        """Return values that round to the integers from −⌊L/2⌋ to ⌈L/2⌉ − 1."""
        scale, offset, shift = self._bounds(z.dtype)
        return torch.tanh(z + shift) * scale - offset

    def _bounds(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        scale = (self.levels - 1).to(dtype) * (1 - MARGIN) / 2
        offset = (1 - self.levels % 2).to(dtype) / 2
        return scale, offset, torch.atanh(offset / scale)

    def _half(self) -> Tensor:
        return self.levels // 2

    def _place(self) -> Tensor:
        """Return what a step of each dimension adds to the code: 1, L₁, L₁ L₂, ..."""
        return self.levels.cumprod(0) // self.levels

    def _join(self, rounded: Float[Tensor, "B T D"]) -> Int[Tensor, "B T"]:
        return ((rounded.long() + self._half()) * self._place()).sum(-1)
