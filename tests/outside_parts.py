"""A quantiser, a vocoder and a unit format as somebody else's package would add them: this file and nothing more."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.codec import Units
from sqspeech.features import LogMelConfig
from sqspeech.pitch import Excitation
from sqspeech.quantizers.base import QUANTIZERS, Quantized
from sqspeech.quantizers.codebook import Codebook
from sqspeech.quantizers.gradients import straight_through
from sqspeech.quantizers.precision import at_least_single
from sqspeech.units.formats import FORMATS, Contents, Entry
from sqspeech.units.formats.entry import integers, spaced
from sqspeech.vocoders import VOCODERS


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class CornersConfig:
    in_nats: ClassVar[bool] = False
    name: Literal["corners"] = "corners"
    dim: int = Field(default=3, ge=1)


@QUANTIZERS.register("corners", config=CornersConfig)
class Corners(Codebook):
    """The corner of the cube [-1, 1]^D that is nearest: nothing is learned."""

    def __init__(self, config: CornersConfig) -> None:
        super().__init__()
        self.config, self.dim, self.codebook_size = config, config.dim, 2**config.dim
        codes = torch.arange(self.codebook_size).unsqueeze(1)
        self.register_buffer("corners", ((codes >> torch.arange(self.dim)) & 1) * 2.0 - 1)

    def forward(self, z, extra=None, temperature=1.0, mask=None) -> Quantized:
        z = at_least_single(z)
        codes = self.encode(z)
        return Quantized(z=straight_through(z, self.lookup(codes)), codes=codes, loss=z.new_zeros(()))

    def encode(self, z: Tensor, extra: Tensor | None = None) -> Tensor:
        return ((z > 0) << torch.arange(self.dim, device=z.device)).sum(-1)

    def scores(self, z: Tensor, extra: Tensor | None = None) -> Tensor:
        return z.double() @ self.corners.double().T

    def lookup(self, codes: Tensor) -> Tensor:
        return self.corners[codes]


@VOCODERS.register("hum")
class Hum:
    """A sine of 100 Hz with the level of the frames."""

    name, needs_excitation = "hum", False

    def __init__(self, config: LogMelConfig) -> None:
        self.config = config

    def __call__(self, log_mel: Tensor, excitation: Excitation | None = None) -> Tensor:
        level = log_mel.mean(1).clamp(min=0)[:-1].repeat_interleave(self.config.hop_length)
        return level * torch.sin(torch.arange(len(level)) * (200 * torch.pi / self.config.sample_rate))


@FORMATS.register("colons")
class Colons:
    """`utt_id: u1 u2 ...` a line."""

    HOLDS: ClassVar[frozenset[str]] = frozenset()
    FILES: ClassVar[tuple[str, ...]] = ("colons",)

    @staticmethod
    def write(folder: Path, entries: Iterable[Entry], contents: Contents) -> None:
        lines = [f"{entry.utt_id}: {spaced(entry.units.codes)}\n" for entry in entries]
        (folder / "colons").write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def read(folder: Path, contents: Contents) -> dict[str, Units]:
        lines = [line.split(": ") for line in (folder / "colons").read_text(encoding="utf-8").splitlines()]
        return {utt_id: Units(codes=integers(folder, utt_id, text)) for utt_id, text in lines}
