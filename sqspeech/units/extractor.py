"""Samples to units."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import DataError
from sqspeech.features import LogMel
from sqspeech.models.encoder_windows import EncoderWindows
from sqspeech.units.recording import Level, Recording
from sqspeech.units.unit_set import Matrix, UnitInfo, Units

if TYPE_CHECKING:
    from sqspeech.units.stream import UnitStream

type Samples = NDArray[np.float32]

# Codes of the longest window, and of what is computed at once: enough for a matrix product to be at its fastest on a
# CPU core, and to keep a GPU busy.
LONGEST = 512
AT_ONCE = {"cpu": 512, "cuda": 16384}
# Windows are a multiple of this long, so that some are of the same length and can be computed together.
GRAIN = 16
# The difference of two scores, relative to their size, below which rounding may decide between them.
ROUNDING = 1e-4


@dataclass(frozen=True)
class _Window:
    """`count` codes of a recording from the code `first` on; its place among the recordings is `number`."""

    number: int
    recording: Recording
    first: int
    count: int


class UnitExtractor:
    """The units of recordings, of any number and length; threads may share it.

    >>> extractor = UnitExtractor.load("exp/best.ckpt")
    >>> samples, rate = soundfile.read("talk.wav", dtype="float32")
    >>> extractor.extract(samples, rate).codes

    The codes of a recording do not depend on what is extracted with it, nor on the windows that it is encoded in: where
    the two best scores are as near as rounding, they are computed again in double precision from the samples on.

    Parameters
    ----------
    trained
        The model.

    Attributes
    ----------
    info
        The sidecar of the units.

    Raises
    ------
    ConfigError
        The model has no codebook.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self.info = UnitInfo.of(trained)
        self.trained = trained
        self._encoder = EncoderWindows(trained.model.encoder)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> "UnitExtractor":
        """Load the extractor of a checkpoint; raises CheckpointError, and ConfigError where it has no codebook."""
        return cls(TrainedModel.load(path, device))

    @property
    def sample_rate(self) -> int:
        """The model's rate in Hz."""
        return self.trained.config.features.sample_rate

    def extract(
        self,
        samples: Float[np.ndarray, " N"],
        sample_rate: int,
        *,
        matrices: Collection[Matrix] = (),
        level: Level | None = None,
    ) -> Units:
        """Return the units of a recording.

        At the model's rate, N samples have T = 1 + N // hop_length frames and these L = (T - 2) // 2 units; `info`
        says what span of time each describes.

        Parameters
        ----------
        samples
            float32, mono.
        sample_rate
            In Hz.
        matrices
            What is wanted beside the codes: see `Units`.
        level
            To be taken for the recording's own (see `level`).

        Raises
        ------
        DataError
            The samples have no features (see `LogMel`), or too few frames for a unit.
        ConfigError
            The quantiser has no posteriors.
        """
        return self.extract_many([self._at_own_rate(samples, sample_rate)], matrices=matrices, level=level)[0]

    def level(self, samples: Float[np.ndarray, " N"], sample_rate: int) -> Level:
        """Return what the log-mel of a recording is relative to; raises DataError (see `extract`)."""
        return Recording(self.trained.log_mel, self._at_own_rate(samples, sample_rate)).level

    @torch.inference_mode()
    def extract_many(
        self, recordings: Sequence[Samples], *, matrices: Collection[Matrix] = (), level: Level | None = None
    ) -> list[Units]:
        """Return the units of recordings at the model's rate, computed together; see `extract`."""
        prepared = [Recording(self.trained.log_mel, samples, level) for samples in recordings]
        return self.encode(prepared, [(0, self.count(recording)) for recording in prepared], matrices)

    def count(self, recording: Recording) -> int:
        """Return how many units a recording has; a DataError if none."""
        count = self._encoder.codes(recording.frames)
        if count < 1:
            raise DataError(f"{recording.frames} frames are too short for one unit; at least 4 are needed")
        return count

    def stream(
        self, level: Level, sample_rate: int | None = None, *, matrices: Collection[Matrix] = ()
    ) -> "UnitStream":
        """Return a stream that takes samples and yields units.

        They are those that `extract` gives for all samples together at the same level; at another rate than the
        model's, as far as resampling in parts is resampling the whole.

        Parameters
        ----------
        level
            What the log-mel is relative to, which a whole recording tells by itself: `level` of a recording that was
            made in the same way.
        sample_rate
            In Hz; the model's when None.
        matrices
            See `extract`.
        """
        from sqspeech.units.stream import UnitStream  # which is made of an extractor

        return UnitStream(self, level, sample_rate, matrices)

    def known(self, recording: Recording, *, complete: bool) -> int:
        """Return how many units the frames of a recording, or of its beginning, decide."""
        if complete:
            return max(0, self._encoder.codes(recording.frames))
        (_, first), (_, second) = self._encoder.frames(0, 1), self._encoder.frames(0, 2)
        return max(0, (recording.frames - first) // (second - first) + 1)

    def sight(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of frames that decide the units `first` to `last`."""
        return self._encoder.frames(first, last)

    def encode(
        self, recordings: Sequence[Recording], spans: Sequence[tuple[int, int]], matrices: Collection[Matrix] = ()
    ) -> list[Units]:
        """Return the units of a span of each recording."""
        windows: dict[int, list[_Window]] = defaultdict(list)
        for number, (recording, span) in enumerate(zip(recordings, spans, strict=True)):
            for length, window in _cut(number, recording, *span):
                windows[length].append(window)
        found: dict[tuple[int, int], Units] = {}
        at_once = AT_ONCE[self.trained.device.type]
        for length, same in windows.items():
            for rows in batched(same, max(1, at_once // length)):
                for window, units in zip(rows, self._encode(rows, length, matrices), strict=True):
                    found[window.number, window.first] = units
        parts: dict[int, list[Units]] = defaultdict(list)
        for number, first in sorted(found):
            parts[number].append(found[number, first])
        return [_join(parts[number]) for number in range(len(recordings))]

    def _encode(self, windows: Sequence[_Window], length: int, matrices: Collection[Matrix]) -> Iterator[Units]:
        spans = [self._encoder.frames(window.first, window.first + length) for window in windows]
        mels = torch.stack([window.recording.mel(*span) for window, span in zip(windows, spans, strict=True)])
        output = self._encoder(
            mels, [window.first for window in windows], [window.recording.frames for window in windows], length
        )
        for window, latents in zip(windows, output, strict=True):
            yield self._quantise(window, latents[None, : window.count], matrices)

    def _quantise(self, window: _Window, latents: Float[Tensor, "1 L O"], matrices: Collection[Matrix]) -> Units:
        quantizer = self.trained.model.quantizer
        z, extra = latents.tensor_split([quantizer.dim], -1)
        best = quantizer.scores(z, extra)[0].topk(2)
        codes = best.indices[:, 0]
        gap, size = best.values[:, 0] - best.values[:, 1], best.values.abs().sum(1)
        for place in torch.nonzero(gap <= ROUNDING * size).flatten().tolist():
            codes[place] = self._exact(window.recording, window.first + place)
        return Units(
            codes=codes.cpu().numpy(),
            vectors=_array(quantizer.lookup(codes)) if "vectors" in matrices else None,
            posteriors=_array(quantizer.posterior(z, extra)[0]) if "posteriors" in matrices else None,
            continuous=_array(z[0]) if "continuous" in matrices else None,
        )

    def _exact(self, recording: Recording, place: int) -> Tensor:
        """Return the code at a place of a recording, in double precision from the samples on."""
        encoder, log_mel = self._double
        mel = recording.mel(*encoder.frames(place, place + 1), log_mel)
        latents = encoder(mel[None], [place], [recording.frames], 1)
        quantizer = self.trained.model.quantizer
        return quantizer.scores(*latents.tensor_split([quantizer.dim], -1))[0, 0].argmax()

    @cached_property
    def _double(self) -> tuple[EncoderWindows, LogMel]:
        log_mel = LogMel(self.trained.config.features).double().to(self.trained.device)
        return EncoderWindows(self.trained.model.encoder, torch.float64), log_mel

    def _at_own_rate(self, samples: Samples, sample_rate: int) -> Samples:
        return samples if sample_rate == self.sample_rate else audio.resample(samples, sample_rate, self.sample_rate)


def _cut(number: int, recording: Recording, first: int, last: int) -> Iterator[tuple[int, _Window]]:
    """Yield windows over a span of codes, about equally long, with the length that each is computed at."""
    count = last - first
    size = -(-count // -(-count // LONGEST))
    length = -(-size // GRAIN) * GRAIN
    for start in range(first, last, size):
        yield length, _Window(number, recording, start, min(size, last - start))


def _join(parts: Sequence[Units]) -> Units:
    def joined(arrays: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
        present = [array for array in arrays if array is not None]
        return np.concatenate(present) if present else None

    if len(parts) == 1:
        return parts[0]
    return Units(
        codes=np.concatenate([part.codes for part in parts]),
        vectors=joined([part.vectors for part in parts]),
        posteriors=joined([part.posteriors for part in parts]),
        continuous=joined([part.continuous for part in parts]),
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.float().cpu().numpy()
