"""Units of utterances, and what is needed to understand and to decode them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sqspeech import __version__
from sqspeech.checkpoint import TrainedModel
from sqspeech.models.geometry import centres
from sqspeech.quantizers.gaussian_vae import no_units

FORMAT = "sqspeech-units-1"

# What there is of a unit beside its code.
Matrix = Literal["vectors", "posteriors", "continuous"]
Precision = Literal["float32", "bfloat16"]
MATRICES: tuple[Matrix, ...] = ("vectors", "posteriors", "continuous")


@dataclass(frozen=True, kw_only=True)
class UnitInfo:
    """Timing and origin of units, which are written beside them.

    Unit i describes the samples from `offset` + i / `frame_rate` to `offset` + (i + 1) / `frame_rate` seconds.

    Attributes
    ----------
    frame_rate
        Units a second.
    offset
        In seconds, of the beginning of the first unit.
    codebook_size
        K.
    checkpoint
        The digest of the checkpoint (see `TrainedModel`).
    features
        The parameters of the log-mel, by name.
    stages
        Q, of a residual quantiser; 1 for all others.
    deduplicated
        Whether a unit is a run of equal steps; otherwise it is one step.
    precision
        Of the encoder.
    smooth
        The penalty of a change that they were chosen with, in nats; 0 where each step was chosen by itself.
    version, format
        Of this software, and of the sidecar.
    """

    frame_rate: float
    offset: float
    codebook_size: int
    checkpoint: str
    features: Mapping[str, Any] = field(default_factory=dict)
    stages: int = 1
    deduplicated: bool = False
    precision: Precision = "float32"
    smooth: float = 0.0
    version: str = __version__
    format: str = FORMAT

    @classmethod
    def of(cls, trained: TrainedModel, *, precision: Precision = "float32", smooth: float = 0.0) -> Self:
        """Return the sidecar of the units of a model; raises ConfigError where it has no codebook."""
        codebook_size = trained.model.quantizer.codebook_size
        if codebook_size is None:
            raise no_units()
        features, geometry = trained.config.features, trained.model.geometry
        return cls(
            frame_rate=geometry.frame_rate(features),
            offset=geometry.offset(features),
            codebook_size=codebook_size,
            checkpoint=trained.digest,
            features=asdict(features),
            stages=trained.model.quantizer.stages,
            precision=precision,
            smooth=smooth,
        )

    @property
    def origin(self) -> str:
        """The digest of the checkpoint, with the penalty where they are smoothed: units of one origin are alike."""
        return f"{self.checkpoint}, smoothed at {self.smooth:g} nats" if self.smooth else self.checkpoint

    def centres(self, count: int) -> NDArray[np.float64]:
        """Return the centres in seconds of the first `count` units."""
        return centres(self.frame_rate, self.offset, count)


@dataclass(frozen=True, kw_only=True)
class RecordingStatistics:
    """Values of a recording that decoding takes beside its units; without them, level and variance are the usual ones.

    Attributes
    ----------
    n_samples
        N, at the model's rate.
    power
        The mean square of the samples about their mean, full scale being 1.
    cepstrum_std
        The standard deviation over time of each coefficient of the log-mel's cepstrum (see
        `sqspeech.codec.global_variance`).
    """

    n_samples: int
    power: float
    cepstrum_std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of one utterance: L steps, in U runs of equal ones.

    Attributes
    ----------
    codes
        Shape (L,), int64, in [0, K): one a step; or (L, Q) of a residual quantiser of Q stages.
    vectors
        Shape (L, D), float32: the codewords; None where they were not asked for, as with the next two.
    posteriors
        Shape (L, K), float32: the probability of each codeword; (L, Q · K) of Q stages, one after another.
    continuous
        Shape (L, D), float32: the encoder's output, before quantisation.
    info
        Timing and origin; None where they are not known, as of units that a language model made.
    recording
        Statistics of the recording; None where there is none.
    """

    codes: NDArray[np.int64]
    vectors: NDArray[np.float32] | None = None
    posteriors: NDArray[np.float32] | None = None
    continuous: NDArray[np.float32] | None = None
    info: UnitInfo | None = None
    recording: RecordingStatistics | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the codes without repetition, (U,) or (U, Q), and how many steps (U,) each lasts."""
        if not len(self.codes):
            return self.codes, np.zeros(0, np.int64)
        differs = self.codes[1:] != self.codes[:-1]
        starts = np.flatnonzero(np.concatenate([[True], differs if differs.ndim == 1 else differs.any(axis=1)]))
        return self.codes[starts], np.diff(starts, append=len(self.codes))

    def times(self) -> NDArray[np.float64]:
        """Return the centre of each step in seconds, shape (L,); a ValueError where the timing is not known."""
        if self.info is None:
            raise ValueError("the timing of these units is not known; give them the info of their codec")
        return self.info.centres(len(self))

    def with_origin(self, info: UnitInfo, recording: RecordingStatistics | None = None) -> "Units":
        """Return the same units with their timing and origin, and the statistics of their recording."""
        return replace(self, info=info, recording=recording)


@dataclass(frozen=True, kw_only=True)
class UnitSet:
    """The units of many utterances by their ids, as they were written; see `sqspeech.units.read`.

    Attributes
    ----------
    info
        Timing and origin.
    units
        By utterance id.
    speakers
        The speaker of each utterance, as far as they are known.
    """

    info: UnitInfo
    units: Mapping[str, Units]
    speakers: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.units)

    def __iter__(self) -> Iterator[str]:
        return iter(self.units)

    def __getitem__(self, utt_id: str) -> Units:
        return self.units[utt_id]
