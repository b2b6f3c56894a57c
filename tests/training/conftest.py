"""Features of a small corpus, to train on."""

import pytest
from corpus import write_corpus

from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore


@pytest.fixture(scope="package")
def stores(tmp_path_factory) -> tuple[FeatureStore, FeatureStore]:
    """Train and dev."""
    root, features = tmp_path_factory.mktemp("dump"), ExperimentConfig().features
    for name, sentences in (("train", range(3)), ("dev", range(3, 4))):
        extract_features(DataDir.read(write_corpus(root / name, sentences)), root / "dump" / name, features)
    return FeatureStore.open(root / "dump/train"), FeatureStore.open(root / "dump/dev")
