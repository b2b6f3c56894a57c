"""Units of a recording that is still arriving."""

from collections.abc import Collection, Iterator

import numpy as np
import soxr
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from sqspeech.chunked_log_mel import Level
from sqspeech.codec.encoder import ChunkedEncoder
from sqspeech.codec.units import Matrix, UnitInfo, Units
from sqspeech.errors import DataError


class UnitStream:
    """Units as soon as the samples that decide them have arrived; see `Codec.stream`.

    >>> stream = codec.stream(level)
    >>> for chunk in microphone:
    ...     for units in stream.push(chunk):
    ...         print(units.codes)
    >>> for units in stream.close():
    ...     print(units.codes)

    Attributes
    ----------
    latency
        Seconds from the end of what a unit describes to the sample that decides it.
    """

    def __init__(
        self,
        encoder: ChunkedEncoder,
        info: UnitInfo,
        level: Level,
        sample_rate: int | None = None,
        matrices: Collection[Matrix] = (),
    ) -> None:
        self._encoder, self._info, self._level, self._matrices = encoder, info, level, matrices
        features = encoder.trained.config.features
        rate = features.sample_rate
        self._resampler = None if sample_rate in (None, rate) else soxr.ResampleStream(sample_rate, rate, 1, "float32")
        self._hop, self._margin = features.hop_length, features.win_length + 1
        # The samples from the frame `_origin` on, and the next unit.
        self._samples, self._origin, self._next = np.zeros(0, np.float32), 0, 0
        last = encoder.receptive_field(0, 1)[1] - 1
        ends = (info.offset + 1 / info.frame_rate) * rate
        self.latency = (last * self._hop + features.win_length // 2 - ends) / rate

    def push(self, samples: Float[np.ndarray, " N"]) -> Iterator[Units]:
        """Yield the units that the next samples decide, if any.

        Raises
        ------
        DataError
            A sample is not finite.
        """
        yield from self._take(samples, last=False)

    def close(self) -> Iterator[Units]:
        """Yield the units that remain once no more samples come; a DataError if there was none in all."""
        yield from self._take(np.zeros(0, np.float32), last=True)
        if not self._next:
            self._encoder.trained.model.geometry.check(self._frames)

    @torch.inference_mode()
    def _take(self, samples: NDArray[np.float32], *, last: bool) -> Iterator[Units]:
        if not np.isfinite(samples).all():
            raise DataError("NaN or infinite samples; the audio is damaged")
        if self._resampler:
            samples = self._resampler.resample_chunk(np.asarray(samples, np.float32), last)
        self._samples = np.concatenate([self._samples, samples])
        recording = self._encoder.measured(self._samples, self._level, origin=self._origin, complete=last)
        self._frames = recording.total
        geometry = self._encoder.trained.model.geometry
        end = geometry.units(recording.total) if last else self._encoder.decided(recording)
        if end > self._next:
            (units,) = self._encoder.encode([recording], [(self._next, end)], self._matrices)
            yield units.with_origin(self._info)
            self._next = end
            self._forget()

    def _forget(self) -> None:
        """Drop samples that no frame of the next unit needs."""
        first = max(0, self._encoder.receptive_field(self._next, self._next + 1)[0])
        kept = max(self._origin, first - -(-self._margin // self._hop))
        self._samples = self._samples[(kept - self._origin) * self._hop :].copy()
        self._origin = kept
