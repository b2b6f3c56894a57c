"""Samples to units."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.chunked_log_mel import ChunkedLogMel, Level
from sqspeech.errors import DataError
from sqspeech.features import LogMel
from sqspeech.models.encoder_windows import EncoderWindows
from sqspeech.quantizers.precision import full_precision
from sqspeech.units.unit_set import Matrix, Precision, UnitInfo, Units

if TYPE_CHECKING:
    from sqspeech.units.stream import UnitStream

type Samples = NDArray[np.float32]

# Codes of the longest window, and of what is computed at once: enough for a matrix product to be at its fastest on a
# CPU core, and to keep a GPU busy.
LONGEST = 768
AT_ONCE = {"cpu": 768, "cuda": 16384}
# Windows are a multiple of this long, so that some are of the same length and can be computed together.
GRAIN = 16
# Codes that are computed again in double precision at once.
EXACT_AT_ONCE = 64


@dataclass(frozen=True)
class _Window:
    """`count` codes of a recording from the code `first` on, and the `place` in the arrays of `room` that is theirs."""

    room: dict[str, NDArray[Any]]
    recording: ChunkedLogMel
    first: int
    place: int
    count: int

    def at(self, offset: int) -> "_Window":
        """Return the window of one code of this one."""
        return replace(self, first=self.first + offset, place=self.place + offset, count=1)


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
    precision
        Of the encoder. In bfloat16 it is faster on some machines, and codes then depend on rounding.

    Attributes
    ----------
    info
        The sidecar of the units.

    Raises
    ------
    ConfigError
        The model has no codebook.
    """

    def __init__(self, trained: TrainedModel, precision: Precision = "float32") -> None:
        self.info = UnitInfo.of(trained, precision=precision)
        self.trained = trained
        self._encoder = EncoderWindows(trained.model.encoder, getattr(torch, precision))

    @classmethod
    def load(
        cls, path: Path | str, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> "UnitExtractor":
        """Load the extractor of a checkpoint; raises CheckpointError, and ConfigError where it has no codebook."""
        return cls(TrainedModel.load(path, device), precision)

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

    def check(self, matrices: Collection[Matrix]) -> None:
        """Raise ConfigError where the model has not these matrices: a baseline has no posteriors."""
        quantizer, device = self.trained.model.quantizer, self.trained.device
        if "posteriors" in matrices:
            widths = quantizer.dim, quantizer.extra_channels
            quantizer.posterior(*(torch.zeros(1, 1, width, device=device) for width in widths))

    def level(self, samples: Float[np.ndarray, " N"], sample_rate: int) -> Level:
        """Return what the log-mel of a recording is relative to; raises DataError (see `extract`)."""
        return self.recording(self._at_own_rate(samples, sample_rate)).level

    @torch.inference_mode()
    def extract_many(
        self, recordings: Sequence[Samples], *, matrices: Collection[Matrix] = (), level: Level | None = None
    ) -> list[Units]:
        """Return the units of recordings at the model's rate, computed together; see `extract`."""
        prepared = [self.recording(samples, level) for samples in recordings]
        return self.encode(prepared, [(0, self.count(recording)) for recording in prepared], matrices)

    def recording(
        self, samples: Samples, level: Level | None = None, *, origin: int = 0, complete: bool = True
    ) -> ChunkedLogMel:
        """Return samples at the model's rate as the encoder needs them; see `ChunkedLogMel`."""
        with_mean = self.trained.config.encoder.normalize
        return ChunkedLogMel(
            self.trained.log_mel, samples, level, with_mean=with_mean, origin=origin, complete=complete
        )

    def count(self, recording: ChunkedLogMel) -> int:
        """Return how many units a recording has; a DataError if none."""
        count = self.known(recording, complete=True)
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

    def known(self, recording: ChunkedLogMel, *, complete: bool) -> int:
        """Return how many units the frames of a recording, or of its beginning, decide."""
        if complete:
            return max(0, self._encoder.codes(recording.frames))
        (_, first), (_, second) = self._encoder.frames(0, 1), self._encoder.frames(0, 2)
        return max(0, (recording.frames - first) // (second - first) + 1)

    def sight(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of frames that decide the units `first` to `last`."""
        return self._encoder.frames(first, last)

    def encode(
        self, recordings: Sequence[ChunkedLogMel], spans: Sequence[tuple[int, int]], matrices: Collection[Matrix] = ()
    ) -> list[Units]:
        """Return the units of a span of each recording."""
        found = [self._room(last - first, matrices) for first, last in spans]
        windows: dict[int, list[_Window]] = defaultdict(list)
        for room, recording, span in zip(found, recordings, spans, strict=True):
            for length, window in _cut(room, recording, *span):
                windows[length].append(window)
        at_once, near = AT_ONCE[self.trained.device.type], list[_Window]()
        for length, same in windows.items():
            for rows in batched(same, max(1, at_once // length)):
                near += self._encode(rows, length)
        for some in batched(near, EXACT_AT_ONCE):
            self._decide(some)
        return [self._units(room, matrices) for room in found]

    def _room(self, count: int, matrices: Collection[Matrix]) -> dict[str, NDArray[Any]]:
        """Return arrays for the results that the encoder gives."""
        widths = {"posteriors": self.info.codebook_size, "continuous": self.trained.model.quantizer.dim}
        wanted = {name: np.empty((count, widths[name]), np.float32) for name in widths if name in matrices}
        return {"codes": np.empty(count, np.int64), **wanted}

    def _encode(self, windows: Sequence[_Window], length: int) -> list[_Window]:
        """Fill in the results of windows, computed as one; return those codes that rounding may decide."""
        quantizer = self.trained.model.quantizer
        z, extra = self._latents(self._encoder, windows, length)
        choice = quantizer.choose(z, extra)
        results = {"codes": choice.codes}
        if "posteriors" in windows[0].room:
            results["posteriors"] = quantizer.posterior(z, extra)
        if "continuous" in windows[0].room:
            results["continuous"] = z.float()
        for name, values in results.items():
            for window, row in zip(windows, values.cpu().numpy(), strict=True):
                window.room[name][window.place : window.place + window.count] = row[: window.count]
        if self.info.precision != "float32":
            return []
        places = torch.nonzero(choice.near).tolist()
        return [windows[row].at(offset) for row, offset in places if offset < windows[row].count]

    def _decide(self, windows: Sequence[_Window]) -> None:
        """Fill in codes one by one, in double precision from the samples on."""
        encoder, log_mel = self._double
        z, extra = self._latents(encoder, windows, 1, log_mel)
        codes = self.trained.model.quantizer.choose(z, extra).codes[:, 0]
        for window, code in zip(windows, codes.tolist(), strict=True):
            window.room["codes"][window.place] = code

    def _latents(
        self, encoder: EncoderWindows, windows: Sequence[_Window], length: int, log_mel: LogMel | None = None
    ) -> tuple[Float[Tensor, "R L D"], Float[Tensor, "R L E"]]:
        dim, device = self.trained.model.quantizer.dim, self.trained.device
        firsts = [window.first for window in windows]
        mels = [
            self._heard(window.recording, encoder.frames(window.first, window.first + length), log_mel)
            for window in windows
        ]
        lengths = [window.recording.frames for window in windows]
        # TF32, which torch takes for a GPU's convolutions by itself, errs far more than `Quantizer.choose` allows for.
        with full_precision(device):
            z, extra = encoder(torch.stack(mels), firsts, lengths, length).tensor_split([dim], -1)
        return z, extra

    def _heard(self, recording: ChunkedLogMel, frames: tuple[int, int], log_mel: LogMel | None) -> Float[Tensor, "T M"]:
        mel = recording.mel(*frames, log_mel)
        if not self.trained.config.encoder.normalize:
            return mel
        return mel - torch.tensor(recording.level.mean, dtype=torch.float64).to(mel)

    def _units(self, room: Mapping[str, NDArray[Any]], matrices: Collection[Matrix]) -> Units:
        codes = torch.from_numpy(room["codes"]).to(self.trained.device)
        vectors = self.trained.model.quantizer.lookup(codes).cpu().numpy() if "vectors" in matrices else None
        return Units(**room, vectors=vectors)

    @cached_property
    def _double(self) -> tuple[EncoderWindows, LogMel]:
        log_mel = LogMel(self.trained.config.features).double().to(self.trained.device)
        return EncoderWindows(self.trained.model.encoder, torch.float64), log_mel

    def _at_own_rate(self, samples: Samples, sample_rate: int) -> Samples:
        return samples if sample_rate == self.sample_rate else audio.resample(samples, sample_rate, self.sample_rate)


def _cut(
    room: dict[str, NDArray[Any]], recording: ChunkedLogMel, first: int, last: int
) -> Iterator[tuple[int, _Window]]:
    """Yield windows over a span of codes, about equally long, with the length that each is computed at."""
    count = last - first
    size = -(-count // -(-count // LONGEST))
    length = -(-size // GRAIN) * GRAIN
    for start in range(first, last, size):
        yield length, _Window(room, recording, start, start - first, min(size, last - start))
