"""Units of many utterances, and what is needed to understand them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sqspeech import __version__
from sqspeech.checkpoint import TrainedModel
from sqspeech.features import LogMelConfig
from sqspeech.quantizers.gaussian_vae import no_units

FORMAT = "sqspeech-units-1"

# What there is of a step beside its code.
Matrix = Literal["vectors", "posteriors", "continuous"]
Precision = Literal["float32", "bfloat16"]
MATRICES: tuple[Matrix, ...] = ("vectors", "posteriors", "continuous")


@dataclass(frozen=True, kw_only=True)
class UnitInfo:
    """The sidecar of units: what is needed to place them in time and to know their origin.

    Step i describes the samples from `offset` + i / `frame_rate` to `offset` + (i + 1) / `frame_rate` seconds.

    Attributes
    ----------
    frame_rate
        Steps a second.
    offset
        In seconds, of the beginning of the first step.
    codebook_size
        K.
    checkpoint
        The digest of the checkpoint (see `TrainedModel`).
    features
        The parameters of the log-mel, by name.
    deduplicated
        Whether a unit is a run of equal steps; otherwise it is one step.
    precision
        Of the encoder.
    version, format
        Of this software, and of the sidecar.
    """

    frame_rate: float
    offset: float
    codebook_size: int
    checkpoint: str
    features: Mapping[str, Any] = field(default_factory=dict)
    deduplicated: bool = False
    precision: Precision = "float32"
    version: str = __version__
    format: str = FORMAT

    @classmethod
    def of(cls, trained: TrainedModel, *, precision: Precision = "float32") -> "UnitInfo":
        """Return the sidecar of the units of a model; raises ConfigError where it has no codebook."""
        codebook_size = trained.model.quantizer.codebook_size
        if codebook_size is None:
            raise no_units()
        frame_rate, offset = timing(trained.config.features)
        return cls(
            frame_rate=frame_rate,
            offset=offset,
            codebook_size=codebook_size,
            checkpoint=trained.digest,
            features=asdict(trained.config.features),
            precision=precision,
        )

    def centres(self, count: int) -> NDArray[np.float64]:
        """Return the centres in seconds of the first `count` steps."""
        return centres(self.frame_rate, self.offset, count)


def timing(features: LogMelConfig) -> tuple[float, float]:
    """Return the frame rate and the offset of the latent steps of these features; see `UnitInfo`."""
    # Step i describes the frames 2 i + 1 and 2 i + 2, and frame t is centred at t hops.
    return features.sample_rate / (2 * features.hop_length), features.hop_length / 2 / features.sample_rate


def centres(frame_rate: float, offset: float, count: int) -> NDArray[np.float64]:
    """Return the centres in seconds of the first `count` steps."""
    return offset + (np.arange(count, dtype=np.float64) + 0.5) / frame_rate


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of one utterance: L steps, in U runs of equal ones.

    Attributes
    ----------
    codes
        Shape (L,), int64, in [0, K): one a step.
    vectors
        Shape (L, D), float32: the codewords; None where they were not asked for, as with the next two.
    posteriors
        Shape (L, K), float32: the probability of each codeword.
    continuous
        Shape (L, D), float32: the encoder's output, before quantisation.
    """

    codes: NDArray[np.int64]
    vectors: NDArray[np.float32] | None = None
    posteriors: NDArray[np.float32] | None = None
    continuous: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the codes (U,) without repetition, and how many steps (U,) each lasts."""
        starts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        return self.codes[starts], np.diff(starts, append=len(self.codes))


@dataclass(frozen=True, kw_only=True)
class UnitSet:
    """The units of many utterances by their ids, as they were written; see `sqspeech.units.read`.

    Attributes
    ----------
    info
        The sidecar.
    units
        By utterance id.
    """

    info: UnitInfo
    units: Mapping[str, Units]

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[str]:
        return iter(self.units)

    def __getitem__(self, utt_id: str) -> Units:
        return self.units[utt_id]
