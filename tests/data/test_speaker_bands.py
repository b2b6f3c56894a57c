import numpy as np
import pytest

from sqspeech.data import speaker_bands
from sqspeech.data.feature_store import FeatureStore


def mean_of(store, utt_ids):
    return np.concatenate([store.read(utt_id) for utt_id in utt_ids]).astype(np.float64).mean(0)


def test_they_are_the_means_over_each_speakers_frames(experiment, monkeypatch):
    store = FeatureStore.open(experiment.root / "dump/train")
    own = {name: [u.utt_id for u in store.data if u.spk_id == name] for name in store.data.speakers}
    found = speaker_bands.speaker_bands(store)
    assert found.keys() == own.keys()
    for name, utt_ids in own.items():
        np.testing.assert_allclose(found[name], mean_of(store, utt_ids), rtol=1e-6)
    monkeypatch.setattr(speaker_bands, "ENOUGH", 1)
    first = {name: mean_of(store, utt_ids[:1]) for name, utt_ids in own.items()}
    for name, bands in speaker_bands.speaker_bands(store).items():
        assert bands == pytest.approx(first[name])
