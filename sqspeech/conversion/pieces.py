"""Long recordings in pieces that can be converted one by one and joined unheard."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# In seconds: the longest piece, where in its end the cut is sought, what is converted with it on either side, and
# over what two pieces are blended.
LONGEST, SOUGHT, CONTEXT, BLEND = 20.0, 5.0, 1.0, 0.02

type Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Samples `start` to `end` of a recording, and the wider `first` to `last` that are converted for them."""

    start: int
    end: int
    first: int
    last: int

    @property
    def converted(self) -> slice:
        """Slice of the recording that is converted."""
        return slice(self.first, self.last)


def cut(samples: Samples, sample_rate: int, unit: int) -> list[Piece]:
    """Return pieces of at most `LONGEST` seconds, cut where the recording is quietest.

    Each begins at a multiple of `unit` samples, with the samples that are converted for it.
    """
    longest, sought, context = (round(seconds * sample_rate / unit) for seconds in (LONGEST, SOUGHT, CONTEXT))
    bounds, units = [0], len(samples) // unit
    while units - bounds[-1] > longest:
        low = bounds[-1] + longest - sought
        blocks = np.asarray(samples[low * unit : (low + sought) * unit], np.float64).reshape(sought, unit)
        # The cut lies between two blocks.
        energy = np.square(blocks).sum(1)
        bounds.append(low + 1 + int(np.argmin(energy[:-1] + energy[1:])))
    starts, ends = [bound * unit for bound in bounds], [*(bound * unit for bound in bounds[1:]), len(samples)]
    return [
        Piece(start=start, end=end, first=max(0, start - context * unit), last=min(len(samples), end + context * unit))
        for start, end in zip(starts, ends, strict=True)
    ]


def place(piece: Piece, samples: Samples, out: Samples, sample_rate: int) -> None:
    """Write a converted piece, `last` - `first` samples, into the recording `out`, blended with the one before it.

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
