"""DNSMOS P.835: quality of speech after noise suppression, without a reference."""

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from sqspeech.extras import missing_extra_named

type Samples = NDArray[np.float32]

# By our name, those of the package.
SCORES = {"overall": "ovrl_mos", "signal": "sig_mos", "background": "bak_mos", "p808": "p808_mos"}


class DnsMos:
    """Mean opinion scores, 1 to 5, of samples at 16 kHz: overall, speech signal, background, and overall by P.808.

    They were trained on noise suppression, and tell vocoders and conversions apart less well than `DistillMos` does.

    Source: Reddy, Gopal and Cutler, "DNSMOS P.835", ICASSP 2022.

    Raises
    ------
    SqspeechError
        The package is not installed.
    """

    def __init__(self) -> None:
        with missing_extra_named("judges"):
            from speechmos import dnsmos
        self._package = dnsmos
        self.name = f"dnsmos {version('speechmos')}"

    def __call__(self, speech: Sequence[Samples]) -> list[dict[str, float]]:
        """Return the scores of each utterance (N,) by their names in `SCORES`."""
        return [self._judge(samples) for samples in speech]

    def _judge(self, samples: Samples) -> dict[str, float]:
        # It refuses what leaves [-1, 1], as a resampled peak may.
        found = self._package.run(samples.clip(-1, 1), sr=16000)
        return {name: float(found[key]) for name, key in SCORES.items()}
