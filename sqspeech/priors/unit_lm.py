"""Autoregressive model of sequences of integers: units of speech, codes of an image, any other.

>>> model = UnitLM(UnitLMConfig(), sizes=(256,), conditions=10)
>>> codes, classes = torch.randint(256, (8, 49, 1)), torch.randint(10, (8,))
>>> model.nats(model.after_begin(codes), classes).mean().backward()
>>> steps = islice(sample(model, keys=[1, 2], condition=classes[:2]), 49)
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sqspeech.priors.attention import Block, Cache, rotation

# In the codes of a sequence that is shorter than the others of its batch.
PADDING = -1


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class UnitLMConfig:
    """Size of the transformer: a step attends to the last `context` steps, itself among them."""

    layers: int = Field(default=4, ge=1)
    width: int = Field(default=256, ge=2)
    heads: int = Field(default=4, ge=1)
    context: int = Field(default=512, ge=2)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> "UnitLMConfig":
        if self.width % (2 * self.heads):
            raise ValueError(f"width: {self.width} is no multiple of twice the heads, {2 * self.heads}")
        return self


class UnitLM(nn.Module):
    """Decoder-only transformer over steps of C columns.

    The probability of a sequence is the product over steps t and columns c of
    p(x[t, c] | x[< t], x[t, < c], condition): the transformer reads whole steps, and a column of a step is predicted
    from its output and the columns before. One column serves for plain sequences (B, L, 1); two for a symbol and its
    duration, Q for the stages of a residual quantiser.

    Parameters
    ----------
    config
        Its size.
    sizes
        Of each column, the number of its values: codes are in [0, size).
    conditions
        The number of classes; 0 where there is no condition.

    Attributes
    ----------
    begin
        The step that stands for no step, (C,): the first input of a sequence.
    """

    begin: Tensor

    def __init__(self, config: UnitLMConfig, sizes: Sequence[int], conditions: int = 0) -> None:
        super().__init__()
        self.config, self.sizes = config, tuple(sizes)
        width = config.width
        self.register_buffer("begin", torch.tensor(self.sizes), persistent=False)
        self.embeddings = nn.ModuleList(nn.Embedding(size + 1, width) for size in self.sizes)
        self.conditions = nn.Embedding(conditions, width) if conditions else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.context, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.known = nn.ModuleList(nn.Embedding(size, width) for size in self.sizes[:-1])
        self.readouts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, size)) for size in self.sizes
        )
        self.apply(_initialise)
        for embedding in self.known:
            # As large as the normalised output that they are added to.
            nn.init.normal_(embedding.weight)
        for block in self.blocks:
            for layer in block.outputs():  # type: ignore[operator]
                nn.init.normal_(layer.weight, std=STD / math.sqrt(2 * config.layers))

    def cache(self) -> Cache:
        """Return an empty cache for `hidden`."""
        return Cache(self.config.layers, self.config.context)

    def after_begin(self, codes: Int[Tensor, "B L C"]) -> Int[Tensor, "B M C"]:
        """Return the steps with `begin` before them, M = L + 1."""
        return torch.cat([self.begin.expand(len(codes), 1, -1), codes], 1)

    def hidden(
        self,
        inputs: Int[Tensor, "B L C"],
        condition: Int[Tensor, " B"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "B L D"]:
        """Return the output after each input step, from which `logits` predicts the next one.

        Parameters
        ----------
        inputs
            Steps, of which `begin` may be one. With a cache, those after the steps that it has seen.
        condition
            The class of each sequence, where the model has classes.
        cache
            Of the same sequences and condition; it takes the new steps.
        """
        x: Tensor = sum(embed(inputs[..., place]) for place, embed in enumerate(self.embeddings))
        if self.conditions is not None and condition is not None:
            x = x + self.conditions(condition).unsqueeze(1)
        x, start, length = self.dropout(x), cache.position if cache else 0, inputs.shape[1]
        by = rotation(torch.arange(start, start + length, device=inputs.device), self.config.width // self.config.heads)
        for layer, block in enumerate(self.blocks):
            x = block(x, by, cache, layer)
        if cache is not None:
            cache.position += length
        found: Tensor = self.norm(x)
        return found

    def logits(
        self, hidden: Float[Tensor, "*shape D"], step: Int[Tensor, "*shape C"], column: int
    ) -> Float[Tensor, "*shape K"]:
        """Return the logits of a column of the next step, of which the columns before are given by `step`."""
        for place in range(column):
            hidden = hidden + self.known[place](step[..., place])
        found: Tensor = self.readouts[column](hidden)
        return found

    def nats(
        self, steps: Int[Tensor, "B M C"], condition: Int[Tensor, " B"] | None = None, cache: Cache | None = None
    ) -> Float[Tensor, "B L C"]:
        """Return −log p of each column of the steps after the first, L = M − 1; 0 where a step is `PADDING`."""
        known = steps.clamp_min(0)
        hidden = self.hidden(known[:, :-1], condition, cache)
        targets = steps[:, 1:]
        found = [
            cross_entropy(
                self.logits(hidden, known[:, 1:], column).flatten(0, 1),
                targets[..., column].flatten(),
                ignore_index=PADDING,
                reduction="none",
            )
            for column in range(len(self.sizes))
        ]
        return torch.stack(found, -1).view(targets.shape)


# Of the weights at the beginning.
STD = 0.02


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
