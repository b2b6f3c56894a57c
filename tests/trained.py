"""A model that was trained for a few steps, with everything around it, for tests of its uses."""

from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from corpus import CONFIG, write_corpus

from sqspeech.config import ExperimentConfig
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.training import Trainer


class Experiment(NamedTuple):
    """`root` holds corpus/{train,dev,test}, dump/{train,dev}, c.yaml, exp/."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        return self.root / "exp/best.ckpt"


def train_small(root: Path) -> Experiment:
    config = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
    (root / "c.yaml").write_text(CONFIG)
    for name, sentences in (("train", range(3)), ("dev", range(3, 4)), ("test", range(4, 6))):
        data = DataDir.read(write_corpus(root / "corpus" / name, sentences))
        if name != "test":
            extract_features(data, root / "dump" / name, config.features)
    stores = (FeatureStore.open(root / "dump" / name) for name in ("train", "dev"))
    Trainer(config, *stores, root / "exp", torch.device("cpu")).run()
    return Experiment(root)
