"""The contract of the quantisers, their registry, and their result."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from sqspeech.graph import Graph
from sqspeech.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The result of quantising a batch of latents.

    Attributes
    ----------
    z
        Quantised latents, shape (B, T, D).
    codes
        Indices of the chosen codewords, shape (B, T), or (B, T, Q) where there are Q stages, in [0, K); None where
        there is no codebook.
    loss
        The latent part of the objective.
    statistics
        Scalars to log, over the positions that a mask leaves. Where they make sense: `kl`, mean over the batch
        of the sum over positions in nats; `entropy`, mean of H(P(z_q | z)) in nats; `log_variance`, mean of
        log σ²; `kappa`; `commitment`, mean squared distance; `batch_perplexity`, exp of the entropy of the
        batch's hard code counts, which is bounded by the batch's size and so is not that of a test set.
    """

    z: Float[Tensor, "B T D"]
    codes: Int[Tensor, "B T *Q"] | None
    loss: Float[Tensor, ""]
    statistics: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The most probable codes (B, T) or (B, T, Q), and the positions (B, T) where rounding may have decided them."""

    codes: Int[Tensor, "B T *Q"]
    near: Bool[Tensor, "B T"]


@runtime_checkable
class QuantizerConfig(Protocol):
    """The configuration of a quantiser: a frozen dataclass, which refuses unknown keys.

    Attributes
    ----------
    name
        That of the registry.
    in_nats
        True where the quantiser's loss is a divergence in nats, which only a likelihood can be added to.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def in_nats(self) -> bool: ...  # noqa: D102


@runtime_checkable
class Quantizer(Protocol):
    """A module that maps latents to codewords; any network can use it.

    Attributes
    ----------
    config
        Its configuration.
    dim
        D.
    extra_channels
        E, how many channels the encoder gives beside the latents.
    codebook_size
        K, of one stage; None without a codebook, and what needs codes then raises ConfigError.
    stages
        Q. The codes of several stages have an axis of this length at the end, those of one stage none.
    soft
        Whether conversion decodes the mean of the codewords under the posterior, and not the most probable codeword.
    """

    @property
    def config(self) -> QuantizerConfig: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def extra_channels(self) -> int: ...  # noqa: D102
    @property
    def codebook_size(self) -> int | None: ...  # noqa: D102
    @property
    def stages(self) -> int: ...  # noqa: D102
    @property
    def soft(self) -> bool: ...  # noqa: D102

    def __init__(self, config: Any) -> None: ...

    def __call__(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch: as training does in training mode, to the most probable codewords in eval mode.

        `mask` is True at real positions; what the padding holds reaches no loss, statistic or gradient. Computes in
        single precision at least, under autocast too, and never waits for the device.
        """

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T *Q"]:
        """Return the most probable codes, in memory that is bounded however long the input is."""

    def lookup(self, codes: Int[Tensor, "*positions"]) -> Float[Tensor, "*positions D"]:
        """Return the codewords of codes; of Q stages (..., Q), their sum."""

    def choose(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Choice:
        """Return the most probable codes and where they are uncertain, in double precision."""

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T *Q K"]:
        """Return P(z_q = b_k | z), of each stage given the codes before it; ConfigError where there is none."""

    def add_to_graph(self, graph: Graph, encoded: str) -> None:
        """Append the choice of codes to an ONNX graph.

        Of the encoder's output (L, O) it makes `codes` (L,) or (L, Q), `vectors` (L, D), their codewords, and
        `continuous` (L, D), the latents.
        """


QUANTIZERS: Registry[Quantizer] = Registry("quantizer", "sqspeech.quantizers")


def build_quantizer(config: QuantizerConfig) -> Quantizer:
    """Return the quantiser of a configuration."""
    return QUANTIZERS.of(config)(config)
