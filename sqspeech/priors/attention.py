"""Block of a decoder-only transformer: causal attention over a window of steps, with rotary positions and a cache."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

# Of the slowest rotation, in steps, about.
LONGEST_PERIOD = 10_000.0

type Rotation = tuple[Float[Tensor, "L d"], Float[Tensor, "L d"]]


class Cache:
    """Keys and values of the last steps in every layer, so that each step is computed once.

    Parameters
    ----------
    layers, context
        Of the model; a layer keeps the `context` − 1 steps that the next one still attends to.

    Attributes
    ----------
    position
        How many steps it has seen.
    """

    def __init__(self, layers: int, context: int) -> None:
        self.position, self._kept = 0, context - 1
        self._held: list[tuple[Tensor, Tensor] | None] = [None] * layers

    def extend(
        self, layer: int, keys: Float[Tensor, "B H L d"], values: Float[Tensor, "B H L d"]
    ) -> tuple[Float[Tensor, "B H M d"], Float[Tensor, "B H M d"]]:
        """Return the keys and values of a layer's kept steps and of the new ones after them."""
        held = self._held[layer]
        both = (keys, values) if held is None else (torch.cat([held[0], keys], 2), torch.cat([held[1], values], 2))
        self._held[layer] = (both[0][:, :, -self._kept :], both[1][:, :, -self._kept :])
        return both


def rotation(positions: Int[Tensor, " L"], size: int) -> Rotation:
    """Return cosine and sine of the angles by which the vectors of a head of `size` are turned at each position.

    Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021: products of turned vectors
    depend on the difference of their positions alone.
    """
    frequencies = LONGEST_PERIOD ** (-torch.arange(0, size, 2, device=positions.device) / size)
    angles = positions.unsqueeze(1) * frequencies
    return angles.cos(), angles.sin()


def rotate(vectors: Float[Tensor, "B H L size"], by: Rotation) -> Float[Tensor, "B H L size"]:
    """Return vectors whose halves are turned against each other."""
    (cos, sin), (first, second) = by, vectors.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1).type_as(vectors)


class Block(nn.Module):
    """Attention and a feed-forward network, each on normalised input and added to it."""

    def __init__(self, width: int, heads: int, context: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.context = heads, context
        self.before_attention, self.before_feed_forward = (nn.LayerNorm(width) for _ in range(2))
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
        )
        self.dropout = nn.Dropout(dropout)

    def outputs(self) -> Sequence[nn.Module]:
        """Return the two layers whose output is added to the input."""
        return self.join, self.feed_forward[-1]

    def forward(
        self, x: Float[Tensor, "B L D"], by: Rotation, cache: Cache | None, layer: int
    ) -> Float[Tensor, "B L D"]:
        """Return the output of each step; `cache` holds the steps before."""
        x = x + self.dropout(self.join(self._attend(self.before_attention(x), by, cache, layer)))
        added: Tensor = self.dropout(self.feed_forward(self.before_feed_forward(x)))
        return x + added

    def _attend(
        self, x: Float[Tensor, "B L D"], by: Rotation, cache: Cache | None, layer: int
    ) -> Float[Tensor, "B L D"]:
        heads = self.queries_keys_values(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = rotate(heads[0], by), rotate(heads[1], by), heads[2]
        if cache is not None:
            keys, values = cache.extend(layer, keys, values)
        length, total = queries.shape[2], keys.shape[2]
        causal = length == total <= self.context
        # Of a single new step, the cache holds only what it attends to.
        mask = None if causal or length == 1 else _window(length, total, self.context, x.device)
        found: Tensor = scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return found.transpose(1, 2).flatten(2)


def _window(length: int, total: int, context: int, device: torch.device) -> Tensor:
    """Return whether each of the last `length` of `total` steps attends to each: to its last `context`, with itself."""
    steps = torch.arange(total, device=device)
    before = steps[-length:].unsqueeze(1) - steps
    return (before >= 0) & (before < context)
