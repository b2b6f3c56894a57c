"""Residual quantisation: stages of one kind, each of what those before it left."""

from dataclasses import replace
from typing import Annotated, Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from sqspeech import distributed
from sqspeech.errors import ConfigError
from sqspeech.graph import DOUBLE, Graph, whole
from sqspeech.quantizers.base import QUANTIZERS, Choice, Quantized, Quantizer, QuantizerConfig, build_quantizer
from sqspeech.quantizers.codebook import ROUNDING, Codebook
from sqspeech.quantizers.graph import add_codes
from sqspeech.quantizers.precision import at_least_single
from sqspeech.quantizers.statistics import keep_real
from sqspeech.registered_config import Registered

_STAGE = Registered(QUANTIZERS, "gaussian_sq")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ResidualConfig:
    """Residual quantisation: Q `stages`, each a `quantizer` with a codebook of its own.

    A quantiser whose codewords learn their scale is meant: those of vmf_sq have length 1 and the levels of fsq a fixed
    step at every stage.

    `dropout` is the probability with which a training utterance is quantised by its first stages only, as many as are
    drawn from 1 to Q − 1: the first codes alone are then a coarser code of the same model, and `--stages` chooses the
    bits at use. Without it the decoder knows no sum of fewer stages than all.
    Source: Zeghidour et al., "SoundStream", arXiv 2107.03312, section III-C.
    """

    name: Literal["residual"] = "residual"
    stages: int = Field(default=4, ge=2)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    quantizer: Annotated[QuantizerConfig, _STAGE] = Field(default_factory=_STAGE.build)

    @property
    def in_nats(self) -> bool:
        """True where the stages' losses are in nats."""
        return self.quantizer.in_nats


@QUANTIZERS.register("residual", config=ResidualConfig)
class Residual(nn.Module):
    """Quantiser of Q stages: r₁ = z, stage q quantises r_q, r_{q+1} = r_q − z_q, and the result is Σ_q z_q.

    Each stage has its own codebook and, of a Gaussian SQ, its own learned σ². The encoder's other channels are given to
    every stage: they are the log-variance of z in one position and dimension relative to others, and what a stage
    subtracts is a constant given its code, which leaves the variance of the rest as it was; how much the later stages
    still explain is the same everywhere, and in the stage's scalar. The loss of a residual SQ is the sum of the stages'
    KL divergences; of the codes alone it is, by the chain rule, that of all to a uniform prior over K^Q.

    A sample of a stochastic quantiser is differentiable, and so is the remainder that it leaves. Where the gradient
    passes a choice instead (`Codebook.estimator`), it passes all stages as one, and each stage's commitment reaches the
    encoder.

    Source: Zeghidour et al., "SoundStream", arXiv 2107.03312, section III-C.

    Attributes
    ----------
    dim, codebook_size, extra_channels
        D, K and E of each stage.
    stages
        Q.
    soft
        That of the stages.
    """

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config, self.stages = config, config.stages
        built = [build_quantizer(config.quantizer) for _ in range(config.stages)]
        for stage in built:
            if not isinstance(stage, Codebook):
                raise ConfigError(f"the quantizer residual needs stages of one codebook, not {config.quantizer.name}")
        self.quantizers = nn.ModuleList(stage for stage in built if isinstance(stage, Codebook))
        first = self._stages()[0]
        self.dim, self.codebook_size, self.extra_channels = first.dim, first.codebook_size, first.extra_channels
        self.soft = first.soft

    def forward(
        self,
        z: Float[Tensor, "B T D"],
        extra: Float[Tensor, "B T E"] | None = None,
        temperature: float | Float[Tensor, ""] = 1.0,
        mask: Bool[Tensor, "B T"] | None = None,
    ) -> Quantized:
        """Quantise a batch; the parameters are those of the stages' quantiser.

        `loss` and `kl` are sums over the stages, the other statistics means, and `batch_perplexity_1` to
        `batch_perplexity_Q` are those of each.
        """
        z = keep_real(at_least_single(z), mask)
        # Once for all stages, whose gradients are then summed in single precision.
        extra = None if extra is None else at_least_single(extra)
        remainder, results, parts = z, list[Quantized](), list[Tensor]()
        for stage, used in zip(self._stages(), self._masks(z, mask), strict=True):
            result = stage(remainder, extra, temperature, used)
            # The codewords themselves, as in `encode`; in training they may have moved since.
            part = result.z if self.training else stage.lookup(result.codes)
            part = keep_real(part if stage.estimator is None else part.detach(), used)
            remainder = remainder - part
            results.append(result)
            parts.append(part)
        total = _sum(parts)
        estimator = self._stages()[0].estimator
        return Quantized(
            z=total if estimator is None else estimator(z, total),
            codes=torch.stack([result.codes for result in results if result.codes is not None], -1),
            loss=_sum([result.loss for result in results]),
            statistics=_statistics([result.statistics for result in results]),
        )

    def encode(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Int[Tensor, "B T Q"]:
        """Return each stage's most probable codes, in memory that is bounded however long the input is."""
        z, codes = at_least_single(z), list[Tensor]()
        for stage in self._stages():
            codes.append(stage.encode(z, extra))
            z = z - stage.lookup(codes[-1])
        return torch.stack(codes, -1)

    def choose(self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None) -> Choice:
        """Return each stage's most probable codes, and where those of any stage are uncertain."""
        z, choices = z.double(), list[Choice]()
        size = z.norm(dim=-1)
        for stage in self._stages():
            # The rounding is that of z, however little of it is left.
            rounding = ROUNDING * (size / z.norm(dim=-1).clamp_min(1e-30)).clamp_min(1)
            choices.append(stage.choose(z, extra, rounding))
            z = z - stage.lookup(choices[-1].codes)
        near = torch.stack([choice.near for choice in choices]).any(0)
        return Choice(codes=torch.stack([choice.codes for choice in choices], -1), near=near)

    def posterior(
        self, z: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"] | None = None
    ) -> Float[Tensor, "B T Q K"]:
        """Return each stage's probabilities, given the most probable codes of those before it."""
        z, found = z.double(), list[Tensor]()
        for stage in self._stages():
            found.append(stage.posterior(z, extra))
            z = z - stage.lookup(stage.choose(z, extra).codes)
        return torch.stack(found, -2)

    def lookup(self, codes: Int[Tensor, "*positions Q"]) -> Float[Tensor, "*positions D"]:
        """Return the sums of the stages' codewords; with fewer codes than Q, those of the first stages."""
        return _sum([stage.lookup(of_stage) for stage, of_stage in zip(self._stages(), codes.unbind(-1), strict=False)])

    def add_to_graph(self, graph: Graph, encoded: str) -> None:
        """Append the choice of codes to an ONNX graph; see `Quantizer`."""
        codes, vectors = list[str](), list[str]()

        def add_choice(graph: Graph, latents: str, extra: str | None) -> tuple[str, str]:
            for stage in self._stages():
                chosen, vector = stage.add_choice(graph, latents, extra)
                latents = graph.add("Sub", latents, graph.add("Cast", vector, to=DOUBLE))
                codes.append(graph.add("Unsqueeze", chosen, whole([1])))
                vectors.append(graph.add("Add", vectors[-1], vector) if vectors else vector)
            return graph.add("Concat", *codes, axis=1), vectors[-1]

        add_codes(graph, encoded, self.dim, self.extra_channels, add_choice)

    def _masks(self, z: Tensor, mask: Tensor | None) -> list[Tensor | None]:
        """Return the positions that each stage quantises: the real ones, of utterances that were not dropped."""
        if not (self.training and self.config.dropout):
            return [mask] * self.stages
        draw = distributed.uniform(torch.empty(len(z), 1, device=z.device)) / self.config.dropout
        # A draw under 1 is the share of the later stages that are dropped, and each number of them is as probable.
        kept = torch.where(draw < 1, 1 + (draw * (self.stages - 1)).long(), self.stages)
        real = torch.ones(z.shape[:2], dtype=torch.bool, device=z.device) if mask is None else mask
        return [real & (place < kept) for place in range(self.stages)]

    def _stages(self) -> list[Codebook]:
        return [stage for stage in self.quantizers if isinstance(stage, Codebook)]


def first_stages(quantizer: Quantizer, stages: int) -> Quantizer:
    """Return the quantiser of the first `stages` alone, which shares their codebooks.

    One stage is a quantiser without stages, whose codes have the shape (B, T).

    Raises
    ------
    ConfigError
        The quantiser has fewer stages.
    """
    if not 1 <= stages <= quantizer.stages:
        raise ConfigError(f"--stages {stages}: the model has {quantizer.stages}; give 1 to {quantizer.stages}")
    if stages == quantizer.stages or not isinstance(quantizer, Residual):
        return quantizer
    if stages == 1:
        return cast("Quantizer", quantizer.quantizers[0])
    part = Residual(replace(quantizer.config, stages=stages))
    part.quantizers = quantizer.quantizers[:stages]
    return part.train(quantizer.training)


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _statistics(stages: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    sums = {name: _sum([statistics[name] for statistics in stages]) for name in stages[0]}
    values = {name: total if name == "kl" else total / len(stages) for name, total in sums.items()}
    each = {f"batch_perplexity_{place}": found["batch_perplexity"] for place, found in enumerate(stages, 1)}
    return values | each
