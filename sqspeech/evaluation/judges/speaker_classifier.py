"""Speaker classifier trained on natural speech."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

type Samples = NDArray[np.float32]

COEFFICIENTS = 20


class SpeakerClassifier:
    """Linear discriminant analysis of the means and standard deviations of MFCC and of their differences.

    Parameters
    ----------
    utterances
        Samples (N,) of natural speech and the speaker of each.
    sample_rate
        In Hz, of these and of the classified samples.
    """

    def __init__(self, utterances: Sequence[tuple[Samples, str]], sample_rate: int) -> None:
        self.sample_rate = sample_rate
        # Shrunk, because there may be fewer utterances than features.
        self._model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
        self._model.fit([self._features(samples) for samples, _ in utterances], [speaker for _, speaker in utterances])

    def classify(self, samples: Samples) -> str:
        """Return the most probable speaker of samples (N,)."""
        return str(self._model.predict([self._features(samples)])[0])

    def accuracy(self, utterances: Sequence[tuple[Samples, str]]) -> float:
        """Return the share of utterances that are classified correctly, in %."""
        return 100 * float(np.mean([self.classify(samples) == speaker for samples, speaker in utterances]))

    def _features(self, samples: Samples) -> NDArray[np.float64]:
        import librosa  # slow to import, and not needed for units

        mfcc = librosa.feature.mfcc(y=samples, sr=self.sample_rate, n_mfcc=COEFFICIENTS + 1, n_fft=512, hop_length=160)
        mfcc = mfcc[1:]  # without the level
        changes = np.diff(mfcc, axis=1)
        return np.concatenate([mfcc.mean(1), mfcc.std(1), changes.std(1)])
