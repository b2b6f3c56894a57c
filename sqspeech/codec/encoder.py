"""Samples to units: the one encoder of recordings of any number and length."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import batched
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.chunked_log_mel import ChunkedLogMel, Level
from sqspeech.codec.smoothing import smoothed
from sqspeech.codec.units import Matrix, Precision, Units
from sqspeech.features import LogMel
from sqspeech.models.base import Windows
from sqspeech.quantizers.mean import posterior_mean
from sqspeech.quantizers.precision import full_precision

type Samples = NDArray[np.float32]

# Units of the longest window, and of what is computed at once: enough for a matrix product to be at its fastest on a
# CPU core, and to keep a GPU busy.
LONGEST = 768
AT_ONCE = {"cpu": 768, "cuda": 16384}
# Windows are a multiple of this long, so that some are of the same length and can be computed together.
GRAIN = 16
# Units that are computed again in double precision at once.
EXACT_AT_ONCE = 64


@dataclass(frozen=True)
class _Window:
    """`count` units of a recording from the unit `first` on, which stand in its `buffers` from `offset` on."""

    buffers: dict[str, NDArray[Any]]
    recording: ChunkedLogMel
    first: int
    offset: int
    count: int

    def at(self, position: int) -> "_Window":
        """Return the window of one unit of this one."""
        return replace(self, first=self.first + position, offset=self.offset + position, count=1)


class ChunkedEncoder:
    """The encoder and the quantiser on recordings, window by window; threads may share it.

    The codes of a recording do not depend on what is encoded with it, nor on the windows that it is encoded in: where
    the two best scores are as near as rounding, they are computed again in double precision from the samples on.

    Parameters
    ----------
    trained
        The model.
    precision
        Of the encoder. In bfloat16 it is faster on some machines, and codes then depend on rounding.
    """

    def __init__(self, trained: TrainedModel, precision: Precision = "float32") -> None:
        self.trained, self.precision = trained, precision
        self._windows = trained.model.encoder.windows(getattr(torch, precision))

    def measured(
        self, samples: Samples, level: Level | None = None, *, origin: int = 0, complete: bool = True
    ) -> ChunkedLogMel:
        """Return the log-mel of samples at the model's rate, a part at a time, with its level; see `ChunkedLogMel`."""
        model = self.trained.model
        return ChunkedLogMel(
            self.trained.log_mel,
            samples,
            level,
            used=model.geometry.used,
            with_mean=model.encoder.normalize,
            origin=origin,
            complete=complete,
        )

    def count(self, recording: ChunkedLogMel) -> int:
        """Return the number of units of a recording; a DataError if it is too short for one."""
        return self.trained.model.geometry.check(recording.total)

    def decided(self, recording: ChunkedLogMel) -> int:
        """Return how many units the frames that have arrived of a recording decide."""
        (_, first), (_, second) = self._windows.frames(0, 1), self._windows.frames(0, 2)
        return max(0, (recording.total - first) // (second - first) + 1)

    def receptive_field(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of frames that decide the units `first` to `last`."""
        return self._windows.frames(first, last)

    @torch.inference_mode()
    def encode(
        self,
        recordings: Sequence[ChunkedLogMel],
        spans: Sequence[tuple[int, int]],
        matrices: Collection[Matrix] = (),
        smooth: float = 0.0,
    ) -> list[Units]:
        """Return the units of a span of each recording, smoothed at a penalty where it is not 0 (see `Codec`)."""
        wanted = {"posteriors" if smooth else "codes", *matrices} - {"vectors"}
        found = self._fill(recordings, spans, sorted(wanted))
        if smooth:
            for buffers in found:
                buffers["codes"] = smoothed(buffers["posteriors"], smooth)
        return [self._units(buffers, matrices) for buffers in found]

    @torch.inference_mode()
    def latents(self, recording: ChunkedLogMel, first: int, last: int) -> Float[Tensor, "1 L D"]:
        """Return the latents of a span without its codes.

        They are the means of the codewords under the posterior or, without a codebook, the encoder's output.
        """
        quantizer = self.trained.model.quantizer
        name = "continuous" if quantizer.codebook_size is None else "posteriors"
        (buffers,) = self._fill([recording], [(first, last)], [name])
        found = torch.from_numpy(buffers[name]).to(self.trained.device)
        return (found if quantizer.codebook_size is None else posterior_mean(quantizer, found))[None]

    def _fill(
        self, recordings: Sequence[ChunkedLogMel], spans: Sequence[tuple[int, int]], names: Sequence[str]
    ) -> list[dict[str, NDArray[Any]]]:
        """Return the results of these names for a span of each recording."""
        found = [self._buffers(last - first, names) for first, last in spans]
        windows: dict[int, list[_Window]] = defaultdict(list)
        for buffers, recording, span in zip(found, recordings, spans, strict=True):
            for length, window in _cut(buffers, recording, *span):
                windows[length].append(window)
        at_once, near = AT_ONCE[self.trained.device.type], list[_Window]()
        for length, same in windows.items():
            for rows in batched(same, max(1, at_once // length)):
                near += self._compute(rows, length)
        for some in batched(near, EXACT_AT_ONCE):
            self._decide(some)
        return found

    def _buffers(self, count: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return arrays for the results."""
        quantizer = self.trained.model.quantizer
        stages = () if quantizer.stages == 1 else (quantizer.stages,)
        kinds = {"codes": (np.int64, stages), "continuous": (np.float32, (quantizer.dim,))}
        kinds["posteriors"] = np.float32, (quantizer.stages * (quantizer.codebook_size or 0),)
        return {name: np.empty((count, *kinds[name][1]), kinds[name][0]) for name in names}

    def _compute(self, windows: Sequence[_Window], length: int) -> list[_Window]:
        """Fill in the results of windows, computed as one; return those units that rounding may decide."""
        quantizer, wanted = self.trained.model.quantizer, windows[0].buffers
        z, extra = self._encoded(self._windows, windows, length)
        results, near = dict[str, Tensor](), None
        if "codes" in wanted:
            choice = quantizer.choose(z, extra)
            results["codes"], near = choice.codes, choice.near
        if "posteriors" in wanted:
            results["posteriors"] = quantizer.posterior(z, extra).flatten(2)
        if "continuous" in wanted:
            results["continuous"] = z.float()
        for name, values in results.items():
            for window, row in zip(windows, values.cpu().numpy(), strict=True):
                window.buffers[name][window.offset : window.offset + window.count] = row[: window.count]
        if near is None or self.precision != "float32":
            return []
        positions = torch.nonzero(near).tolist()
        return [windows[row].at(position) for row, position in positions if position < windows[row].count]

    def _decide(self, windows: Sequence[_Window]) -> None:
        """Fill in codes one by one, in double precision from the samples on."""
        encoder, log_mel = self._double
        z, extra = self._encoded(encoder, windows, 1, log_mel)
        codes = self.trained.model.quantizer.choose(z, extra).codes[:, 0]
        for window, code in zip(windows, codes.tolist(), strict=True):
            window.buffers["codes"][window.offset] = code

    def _encoded(
        self, encoder: Windows, windows: Sequence[_Window], length: int, log_mel: LogMel | None = None
    ) -> tuple[Float[Tensor, "R L D"], Float[Tensor, "R L E"]]:
        firsts = [window.first for window in windows]
        mels = [
            self._input(window.recording, encoder.frames(window.first, window.first + length), log_mel)
            for window in windows
        ]
        lengths = [window.recording.frames for window in windows]
        # TF32, which torch takes for a GPU's convolutions by itself, errs far more than `Quantizer.choose` allows for.
        with full_precision(self.trained.device):
            encoded = encoder(torch.stack(mels), firsts, lengths, length)
        z, extra = encoded.tensor_split([self.trained.model.quantizer.dim], -1)
        return z, extra

    def _input(self, recording: ChunkedLogMel, frames: tuple[int, int], log_mel: LogMel | None) -> Float[Tensor, "T M"]:
        mel = recording.mel(*frames, log_mel)
        if not self.trained.model.encoder.normalize:
            return mel
        return mel - torch.tensor(recording.level.mean, dtype=torch.float64).to(mel)

    def _units(self, buffers: Mapping[str, NDArray[Any]], matrices: Collection[Matrix]) -> Units:
        codes = torch.from_numpy(buffers["codes"]).to(self.trained.device)
        vectors = self.trained.model.quantizer.lookup(codes).cpu().numpy() if "vectors" in matrices else None
        return Units(
            codes=buffers["codes"],
            vectors=vectors,
            posteriors=buffers["posteriors"] if "posteriors" in matrices else None,
            continuous=buffers.get("continuous"),
        )

    @cached_property
    def _double(self) -> tuple[Windows, LogMel]:
        log_mel = LogMel(self.trained.config.features).double().to(self.trained.device)
        return self.trained.model.encoder.windows(torch.float64), log_mel


def _cut(
    buffers: dict[str, NDArray[Any]], recording: ChunkedLogMel, first: int, last: int
) -> Iterator[tuple[int, _Window]]:
    """Yield windows over a span of units, about equally long, with the length that each is computed at."""
    count = last - first
    size = -(-count // -(-count // LONGEST))
    length = -(-size // GRAIN) * GRAIN
    for start in range(first, last, size):
        yield length, _Window(buffers, recording, start, start - first, min(size, last - start))
