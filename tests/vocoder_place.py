"""A dump with what a vocoder is trained on, and the configuration of a tiny one."""

import shutil
from pathlib import Path

import torch
import yaml
from commands import run
from trained import Experiment

from sqspeech.training.tasks.vocoder import VocoderTask
from sqspeech.training.vocoder.config import VocoderConfig

CPU = torch.device("cpu")
HOP = 160
TINY = {
    "task": "vocoder",
    "network": {"width": 8, "blocks": 1},
    "crops": {"batch_size": 2, "frames": 24},
    "training": {"steps": 6, "log_every": 2, "validate_every": 3, "checkpoint_every": 2, "gradient_clip": 5.0},
}
ADVERSARIAL = {
    "begin": 2, "periods": [2, 3], "period_channels": [4, 4], "resolutions": [256], "resolution_channels": [4, 4],
}  # fmt: skip


class Place:
    """A dump with the rows of a codec, and the configuration of a tiny vocoder."""

    def __init__(self, root: Path, experiment: Experiment) -> None:
        self.root, self.codec = root, experiment.checkpoint
        shutil.copytree(experiment.root / "dump", root / "dump")
        values = TINY | {"inputs": {"codec": str(self.codec), "decoded": 0.4, "blurred": 0.3}}
        self.config, self.adversarial = root / "v.yaml", root / "adversarial.yaml"
        self.config.write_text(yaml.safe_dump(values))
        self.adversarial.write_text(yaml.safe_dump(values | {"discriminators": ADVERSARIAL}))
        for name in ("train", "dev"):
            done = run("vocoder-data", root / "dump" / name, "--config", self.config)
            assert "0 skipped" in done

    def task(self, path: Path | None = None) -> VocoderTask:
        values = yaml.safe_load((path or self.config).read_text())
        del values["task"]
        return VocoderTask(VocoderConfig.from_dict(values, "test"))
