"""Long recordings in pieces that can be decoded one by one and joined without a trace."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# In seconds: the longest piece, where in its end the cut is sought, what is decoded with it on either side, and over
# what two pieces are blended.
LONGEST, SOUGHT, CONTEXT, BLEND = 20.0, 5.0, 1.0, 0.02

type Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Samples `start` to `end` of a recording, and the wider `first` to `last` that are decoded for them."""

    start: int
    end: int
    first: int
    last: int

    @property
    def decoded(self) -> slice:
        """Slice of the recording that is decoded."""
        return slice(self.first, self.last)

    def seconds(self, sample_rate: int) -> float:
        """Return how long its own samples last."""
        return (self.end - self.start) / sample_rate

    def frames(self, hop_length: int) -> slice:
        """Return the slice of the recording's frames that are decoded."""
        return slice(self.first // hop_length, self.last // hop_length + 1)

    def own_frames(self, hop_length: int) -> slice:
        """Return the slice of the decoded frames that are not those of a neighbour."""
        return slice((self.start - self.first) // hop_length, (self.end - self.first) // hop_length)


def cut(length: int, sample_rate: int, unit: int, samples: Samples | None = None) -> list[Piece]:
    """Return pieces of `length` samples, each of at most `LONGEST` seconds.

    They are cut where the recording is quietest, if it is given. Each begins at a multiple of `unit` samples, with the
    samples that are decoded for it.
    """
    longest, sought, context = (round(seconds * sample_rate / unit) for seconds in (LONGEST, SOUGHT, CONTEXT))
    bounds, units = [0], length // unit
    while units - bounds[-1] > longest:
        low = bounds[-1] + longest - sought
        energy = np.zeros(sought)
        if samples is not None:
            blocks = np.asarray(samples[low * unit : (low + sought) * unit], np.float64).reshape(sought, unit)
            energy = np.square(blocks).sum(1)
        # The cut lies between two blocks.
        bounds.append(low + 1 + int(np.argmin(energy[:-1] + energy[1:])))
    starts, ends = [bound * unit for bound in bounds], [*(bound * unit for bound in bounds[1:]), length]
    return [
        Piece(start=start, end=end, first=max(0, start - context * unit), last=min(length, end + context * unit))
        for start, end in zip(starts, ends, strict=True)
    ]


def place(piece: Piece, samples: Samples, out: Samples, sample_rate: int) -> None:
    """Write a decoded piece, `last` - `first` samples, into the recording `out`, blended with the one before it.

    The pieces of a recording come in their order.
    """
    half = round(BLEND * sample_rate / 2)
    done = 0
    if piece.start:
        blended = slice(piece.start - half, piece.start + half)
        own = samples[blended.start - piece.first : blended.stop - piece.first]
        out[blended] += np.linspace(0, 1, 2 * half, dtype=np.float32) * (own - out[blended])
        done = blended.stop
    end = min(piece.last, piece.end + half)
    out[done:end] = samples[done - piece.first : end - piece.first]
