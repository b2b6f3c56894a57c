"""The spectrum of the speakers of a dump: the mean of each band of their log-mel."""

from itertools import groupby

import numpy as np

from sqspeech.data.feature_store import FeatureStore

# Frames of each speaker, a minute at the usual 100 a second: the mean of a band hardly moves when more are taken.
ENOUGH = 6_000


def speaker_bands(store: FeatureStore) -> dict[str, list[float]]:
    """Return the mean of each of the M bands of each speaker, over the first utterances that have `ENOUGH` frames."""
    found = dict[str, list[float]]()
    for speaker, own in groupby(store.data, lambda utterance: utterance.spk_id):
        total, count = np.zeros(store.width), 0
        for utterance in own:
            if count < ENOUGH:
                mel = store.read(utterance.utt_id)
                total += mel.sum(0, dtype=np.float64)
                count += len(mel)
        found[speaker] = (total / count).tolist()
    return found
