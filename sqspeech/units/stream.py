"""Units of a recording that is still arriving."""

from collections.abc import Collection, Iterator

import numpy as np
import soxr
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from sqspeech.chunked_log_mel import Level
from sqspeech.errors import DataError
from sqspeech.units.extractor import UnitExtractor
from sqspeech.units.unit_set import Matrix, Units


class UnitStream:
    """Units as soon as the encoder can see what decides them; see `UnitExtractor.stream`.

    >>> stream = extractor.stream(level)
    >>> for chunk in microphone:
    ...     for units in stream.push(chunk):
    ...         print(units.codes)
    >>> for units in stream.close():
    ...     print(units.codes)

    Attributes
    ----------
    latency
        How many seconds after the end of what a unit describes it can be known.
    """

    def __init__(
        self,
        extractor: UnitExtractor,
        level: Level,
        sample_rate: int | None = None,
        matrices: Collection[Matrix] = (),
    ) -> None:
        self._extractor, self._level, self._matrices = extractor, level, matrices
        rate = extractor.sample_rate
        self._resampler = None if sample_rate in (None, rate) else soxr.ResampleStream(sample_rate, rate, 1, "float32")
        features = extractor.trained.config.features
        self._hop, self._margin = features.hop_length, features.win_length + 1
        # The samples from the frame `_origin` on, and the next unit.
        self._samples, self._origin, self._next = np.zeros(0, np.float32), 0, 0
        seen = extractor.sight(0, 1)[1] - 1
        ends = (extractor.info.offset + 1 / extractor.info.frame_rate) * rate
        self.latency = (seen * self._hop + features.win_length // 2 - ends) / rate

    def push(self, samples: Float[np.ndarray, " N"]) -> Iterator[Units]:
        """Yield what the next samples make known: the next units, if any.

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
            raise DataError("the recording is too short for one unit; at least 4 frames are needed")

    @torch.inference_mode()
    def _take(self, samples: NDArray[np.float32], *, last: bool) -> Iterator[Units]:
        if not np.isfinite(samples).all():
            raise DataError("NaN or infinite samples; the audio is damaged")
        if self._resampler:
            samples = self._resampler.resample_chunk(np.asarray(samples, np.float32), last)
        self._samples = np.concatenate([self._samples, samples])
        recording = self._extractor.recording(self._samples, self._level, origin=self._origin, complete=last)
        end = self._extractor.known(recording, complete=last)
        if end > self._next:
            yield self._extractor.encode([recording], [(self._next, end)], self._matrices)[0]
            self._next = end
            self._forget()

    def _forget(self) -> None:
        """Let go of samples that no frame of the next unit needs."""
        first = max(0, self._extractor.sight(self._next, self._next + 1)[0])
        kept = max(self._origin, first - -(-self._margin // self._hop))
        self._samples = self._samples[(kept - self._origin) * self._hop :].copy()
        self._origin = kept
