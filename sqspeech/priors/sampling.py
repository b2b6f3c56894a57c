"""Sequences drawn from a model, step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sqspeech.data.random_hash import uniform
from sqspeech.errors import ConfigError
from sqspeech.priors.unit_lm import UnitLM


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Distribution that is drawn from: that of the model, sharpened and cut.

    Attributes
    ----------
    temperature
        Divides the logits: less than 1 prefers what is likely.
    top_p
        Only the likeliest values are drawn, as few as have this probability together (Holtzman et al., "The curious
        case of neural text degeneration", ICLR 2020).

    Raises
    ------
    ConfigError
        A value is out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"a temperature of {self.temperature:g}: give one above 0, such as 0.7 or 1")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"a top-p of {self.top_p:g}: give a probability above 0, at most 1")

    def probabilities(self, logits: Float[Tensor, "B K"]) -> Float64[Tensor, "B K"]:
        """Return the distribution of each row."""
        found = (logits.double() / self.temperature).softmax(-1)
        if self.top_p == 1:
            return found
        ordered, places = found.sort(descending=True, stable=True)
        # The probability of the likelier ones is still too small.
        kept = ordered.cumsum(-1) - ordered < self.top_p
        found = torch.zeros_like(found).scatter(-1, places, ordered * kept)
        return found / found.sum(-1, keepdim=True)

    def draw(self, logits: Float[Tensor, "B K"], uniforms: Float64[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Return the value of each row at which the cumulative probability passes its uniform draw from [0, 1)."""
        cumulative = self.probabilities(logits).cumsum(-1)
        # Rounding may leave the sum below 1; and a value without probability is never the first to pass.
        passed = uniforms.unsqueeze(-1) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, passed, right=True).squeeze(-1)


@torch.inference_mode()
def sample(
    model: UnitLM,
    *,
    keys: Sequence[int],
    prompt: Int[Tensor, "B P C"] | None = None,
    condition: Int[Tensor, " B"] | None = None,
    sampling: Sampling = Sampling(),
) -> Iterator[Int[Tensor, "B C"]]:
    """Yield the steps of sequences, those after the prompt, without end.

    The draws of a sequence are a function of its key alone, whatever is drawn beside it.

    Parameters
    ----------
    model
        In evaluation mode.
    keys
        One a sequence; see `sqspeech.data.random_hash`.
    prompt, condition
        The steps to continue, and the class, of each.
    sampling
        The distribution.
    """
    columns, device = len(model.sizes), model.begin.device
    inputs = model.begin.expand(len(keys), 1, -1) if prompt is None else model.after_begin(prompt)
    cache, rows = model.cache(), torch.tensor(keys, device=device).unsqueeze(1)
    for number in count():
        hidden = model.hidden(inputs, condition, cache)[:, -1]
        uniforms = uniform(rows, 1 + number * columns + torch.arange(columns, device=device))
        step = torch.zeros(len(keys), columns, dtype=torch.int64, device=device)
        for column in range(columns):
            step[:, column] = sampling.draw(model.logits(hidden, step, column), uniforms[:, column])
        yield step
        inputs = step.unsqueeze(1)
