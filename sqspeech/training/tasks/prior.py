"""A prior over units as a task: windows of units, AdamW, bits a unit on dev."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from sqspeech import distributed
from sqspeech.codec import UnitInfo
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.n_gram import bits_of_test
from sqspeech.priors.config import PriorConfig
from sqspeech.priors.scoring import sequence_nats
from sqspeech.priors.speakers import SpeakerClasses
from sqspeech.priors.steps import StepCoder
from sqspeech.priors.trained import ORIGIN
from sqspeech.priors.unit_lm import UnitLM
from sqspeech.priors.windows import Windows
from sqspeech.quantizers.precision import full_precision
from sqspeech.training.schedules import learning_rate
from sqspeech.training.tasks.base import TASKS, Batch, Residency, Task, Update
from sqspeech.units import UnitSet, read

# The share by which dev may cost more bits than training before the prior counts as overfitted.
OVERFITTED = 0.15
# Validations before a prior is compared with a trigram.
PATIENCE = 3
# The properties in which units of dev and train agree, in words.
AGREEING = {**ORIGIN, "frame_rate": "frame rate"}


@TASKS.register("prior", config=PriorConfig)
class PriorTask(Task[PriorConfig, UnitSet, UnitLM]):
    """Train a language model on the units of one model; best.ckpt is that of the least bits a unit on dev."""

    best = "dev_bits_per_unit"
    shown: ClassVar = {
        "bits_per_unit": "{:.3f} bits a unit",
        "dev_bits_per_unit": "| dev {:.3f}",
        "dev_trigram_bits_per_unit": "trigram {:.3f}",
        "dev_bits_per_second": "{:.1f} bit/s",
    }

    def open_data(self, path: Path) -> tuple[UnitSet, UnitSet]:
        """Read the units in train/ and dev/ of a folder, of any format."""
        train, dev = read(path / "train"), read(path / "dev")
        for name, units in (("train", train), ("dev", dev)):
            if units.info.deduplicated:
                raise DataError(
                    f"{path / name}: deduplicated units without their durations; write them with --durations, or "
                    "without --dedup"
                )
        self._speakers(train)
        for name, text in AGREEING.items():
            found, wanted = getattr(dev.info, name), getattr(train.info, name)
            if found != wanted:
                raise DataError(
                    f"{path / 'dev'}: units of the {text} {found}, but those of train are of {wanted}; extract both "
                    "with one model"
                )
        return train, dev

    def model(self, train: UnitSet) -> UnitLM:
        """See `Task`."""
        return UnitLM(self.config.model, self._coder(train).sizes, self._speakers(train).count)

    def batches(
        self, model: UnitLM, train: UnitSet, device: torch.device, residency: Residency, part: tuple[int, int]
    ) -> Windows:
        """See `Task`; units are few bytes and always on the device."""
        coder, training, speakers = self._coder(train), self.config.training, self._speakers(train)
        return Windows(
            [coder.encode(train[utterance]) for utterance in train],
            model.begin,
            batch_size=training.batch_size,
            length=self.config.model.context,
            seed=training.seed,
            device=device,
            part=part,
            classes=speakers.find(map(train.speakers.get, train)) if speakers.count else None,
            class_dropout=self.config.condition.unknown,
        )

    def schedule(self, step: int) -> dict[str, float]:
        """Return the learning rate."""
        training = self.config.training
        return {"learning_rate": learning_rate(training, step) * min(1.0, (step + 1) / training.warm_up)}

    def optimizers(self, model: UnitLM, values: Mapping[str, Tensor]) -> dict[str, Optimizer]:
        """See `Task`; gains, biases and what stands for a value are not decayed."""
        rate, decay = values["learning_rate"], self.config.training.weight_decay
        matrices = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
        others = [parameter for parameter in model.parameters() if all(parameter is not known for known in matrices)]
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        on_gpu = rate.device.type == "cuda"
        return {"model": torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), fused=True, capturable=on_gpu)}

    def step(
        self, model: UnitLM, batch: Batch, values: Mapping[str, Tensor], update: Update, phase: str
    ) -> Mapping[str, Tensor]:
        """See `Task`; the loss is the mean over the steps of the whole batch."""
        steps, classes = batch[0], batch[1] if len(batch) > 1 else None
        nats = model.nats(steps, classes).sum()
        real = steps[:, 1:, -1] >= 0
        units = torch.where(real, steps[:, 1:, -1] + 1, 0) if self.config.steps.runs else real
        share = distributed.all_reduce_sum(real.sum().float()) / distributed.world_size()
        loss = nats / share
        norm = update("model", loss)
        return {"loss": loss, "bits_per_unit": nats / (units.sum() * math.log(2)), "gradient_norm": norm}

    def dev_metrics(
        self, model: UnitLM, train: UnitSet, dev: UnitSet, device: torch.device
    ) -> Callable[[UnitLM], dict[str, float]]:
        """See `Task`; beside the prior, a trigram of the same training units."""
        trigram = bits_of_test(train, dev, order=3) / sum(map(len, dev.units.values()))
        return _Validation(self._coder(train), self._speakers(train), dev, trigram, device)

    def warnings(
        self, model: UnitLM, train: Mapping[str, float], dev: Mapping[str, float], validations: int
    ) -> dict[str, str]:
        """See `Task`."""
        found, own, trigram = dev["dev_bits_per_unit"], train.get("bits_per_unit"), dev["dev_trigram_bits_per_unit"]
        faults = {}
        if own and found > (1 + OVERFITTED) * own:
            faults["overfitted"] = (
                f"the prior overfits: {found:.3f} bits a unit on dev, {own:.3f} in training; best.ckpt keeps the best "
                "so far: stop, raise model.dropout, lower model.width, or give more units"
            )
        if validations >= PATIENCE and found > trigram:
            faults["trigram"] = (
                f"the prior is no better than a trigram: {found:.3f} bits a unit on dev, the trigram's are "
                f"{trigram:.3f}; train longer, or change training.learning_rate"
            )
        return faults

    def about(self, train: UnitSet) -> dict[str, Any]:
        """Return timing and origin of the units, and the speakers that the prior is given."""
        return {"units": asdict(train.info), "speakers": list(self._speakers(train).names)}

    def check_resumed(self, content: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> None:
        """See `Task`."""
        found, wanted = (UnitInfo(**of["units"]).origin for of in (content, about))
        if found != wanted:
            raise DataError(
                f"{path}: was trained on units of the checkpoint {found}, these are of {wanted}; choose another folder"
            )

    def _coder(self, units: UnitSet) -> StepCoder:
        return StepCoder(self.config.steps, units.info)

    def _speakers(self, train: UnitSet) -> SpeakerClasses:
        return SpeakerClasses.of(train, train.speakers) if self.config.condition.speakers else SpeakerClasses()


class _Validation:
    """The dev utterances, shared out between the processes, each scored at full length and in single precision."""

    def __init__(
        self, coder: StepCoder, speakers: SpeakerClasses, dev: UnitSet, trigram: float, device: torch.device
    ) -> None:
        self.device, self.trigram, self.rate = device, trigram, dev.info.frame_rate
        self.units = sum(len(dev[utterance]) for utterance in dev)
        with distributed.sharing():
            own = list(dev)[distributed.rank() :: distributed.world_size()]
        self.sequences = [torch.from_numpy(coder.encode(dev[utterance])) for utterance in own]
        self.classes = speakers.find(map(dev.speakers.get, own)).tolist()

    def __call__(self, model: UnitLM) -> dict[str, float]:
        """Return bits a unit and a second, and the trigram's bits a unit."""
        model.eval()
        with full_precision(self.device):
            nats = [found.sum() for found in sequence_nats(model, self.sequences, self.classes)]
        model.train()
        total = torch.tensor(float(np.sum(nats)), dtype=torch.float64, device=self.device)
        with distributed.sharing():
            bits = float(distributed.all_reduce_sum(total)) / math.log(2)
        return {
            "dev_bits_per_unit": bits / self.units,
            "dev_bits_per_second": bits / self.units * self.rate,
            "dev_trigram_bits_per_unit": self.trigram,
        }
