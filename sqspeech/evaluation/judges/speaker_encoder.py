"""Resemblyzer: speaker embeddings."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.extras import missing_extra_named

type Samples = NDArray[np.float32]


class SpeakerEncoder:
    """Speaker embedding of samples at 16 kHz, of length 1; its products are similarities.

    Source: Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018.

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
        with missing_extra_named("judges"), warnings.catch_warnings():
            # Of its detector of voice, which imports pkg_resources, and of a name of SciPy that was moved.
            warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
            warnings.filterwarnings("ignore", ".*pkg_resources", DeprecationWarning)
            warnings.filterwarnings("ignore", ".*scipy.ndimage", DeprecationWarning)
            import resemblyzer
        self._package, self._device = resemblyzer, device
        self.name = f"resemblyzer {version('resemblyzer')}"

    @cached_property
    def _model(self) -> Any:
        return self._package.VoiceEncoder(self._device, verbose=False)

    def __call__(self, speech: Sequence[Samples]) -> list[list[float] | None]:
        """Return the embedding (256,) of each utterance (N,); None of silence."""
        return [self._embedding(samples) if samples.any() else None for samples in speech]

    def _embedding(self, samples: Samples) -> list[float]:
        trimmed = self._package.preprocess_wav(samples)
        found: list[float] = self._model.embed_utterance(trimmed).tolist()
        return found
