"""DistillMOS: quality of speech without a reference."""

import math
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import cached_property
from importlib.metadata import version
from io import StringIO
from itertools import batched
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.extras import missing_extra_named

type Samples = NDArray[np.float32]

# In samples, as the model was made: 7.68 s, and at most a second from one segment to the next.
SEGMENT, HOP = 122_880, 16_000
AT_ONCE = 16


class DistillMos:
    """Mean opinion score, 1 to 5, of samples at 16 kHz; the segments of several utterances are judged together.

    Source: Stahl and Gamper, "Distillation and pruning for scalable self-supervised representation-based speech
    quality assessment", ICASSP 2025.

    Parameters
    ----------
    device
        Of the network.

    Raises
    ------
    SqspeechError
        The package is not installed.
    """

    def __init__(self, device: torch.device | str) -> None:
        with missing_extra_named("judges"):
            import distillmos
        self._package, self._device = distillmos, device
        self.name = f"distillmos {version('distillmos')}"

    @cached_property
    def _model(self) -> Any:
        with redirect_stdout(StringIO()):  # it prints where its weights are
            return self._package.ConvTransformerSQAModel(segmenting_in_forward=False).eval().to(self._device)

    @torch.inference_mode()
    def __call__(self, speech: Sequence[Samples]) -> list[float]:
        """Return the score of each utterance (N,): the mean of those of its segments."""
        padded = [np.pad(samples, (0, max(0, SEGMENT - len(samples)))) for samples in speech]
        segments = [(place, start) for place, samples in enumerate(padded) for start in _starts(len(samples))]
        scores: list[list[float]] = [[] for _ in speech]
        for some in batched(segments, AT_ONCE):
            rows = np.stack([padded[place][start : start + SEGMENT] for place, start in some])
            found = self._model(torch.from_numpy(rows).to(self._device)).flatten().tolist()
            for (place, _), score in zip(some, found, strict=True):
                scores[place].append(score)
        return [float(np.mean(of_utterance)) for of_utterance in scores]


def _starts(length: int) -> Iterator[int]:
    """Yield where the segments begin: evenly from the beginning to the end."""
    beyond = length - SEGMENT
    return (int(share * beyond) for share in np.linspace(0, 1, math.ceil(beyond / HOP) + 1))
