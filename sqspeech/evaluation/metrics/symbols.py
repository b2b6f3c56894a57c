"""Codes as symbols, for quantisers of one stage and of several.

The codes of an utterance have shape (L,), or (L, Q) for a quantiser of Q stages. Stages have their own codebooks, so
that equal numbers in two stages are different codewords.
"""

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

type Codes = NDArray[np.integer]


def by_stage(codes: Codes) -> Codes:
    """Return the codes with shape (L, Q), where Q is 1 for codes (L,)."""
    return codes[:, None] if codes.ndim == 1 else codes


def symbols(codes: Codes) -> list[Hashable]:
    """Return one symbol for each of the L steps: the code, or the tuple of the codes of all stages."""
    return codes.tolist() if codes.ndim == 1 else list(map(tuple, codes.tolist()))
