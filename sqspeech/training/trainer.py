"""The training loop: crops, Adam, validation, checkpoints, logs."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress, TaskID
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from sqspeech.atomic import write_text
from sqspeech.checkpoint import build_model, read_checkpoint, save_checkpoint
from sqspeech.config import ExperimentConfig, save_config
from sqspeech.data.crops import Crops
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import ConfigError, DataError, SqspeechError
from sqspeech.evaluation.codebook import active_codes, perplexity, usage
from sqspeech.evaluation.reconstruction import measure_reconstruction
from sqspeech.progress import progress_bar
from sqspeech.training.interruption import Interruption
from sqspeech.training.schedules import learning_rate, temperature

# What the progress line shows of the statistics that a quantiser has.
SHOWN = {
    "mse_db2": "mse {:.1f} dB²",
    "kl": "kl {:.1f}",
    "batch_perplexity": "perplexity {:.0f}",
    "entropy": "entropy {:.2f}",
}


class Trainer:
    """Train a model, or continue the training of an experiment directory.

    `exp` receives config.yaml, metrics.jsonl, tensorboard/, last.ckpt and best.ckpt (least error on dev).

    Parameters
    ----------
    config
        The experiment.
    train, dev
        Features of the training speakers; `dev` has no other speakers.
    exp
        The experiment directory.
    device
        Where to train.

    Raises
    ------
    ConfigError
        The experiment directory was made with another configuration.
    DataError
        `dev` has a speaker that `train` lacks, or no training utterance is as long as a crop.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        train: FeatureStore,
        dev: FeatureStore,
        exp: Path,
        device: torch.device,
    ) -> None:
        self.config, self.exp, self.device = config, exp, device
        self.speakers = train.data.speakers
        torch.manual_seed(config.training.seed)
        self.model = build_model(config, len(self.speakers)).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.training.learning_rate)
        self.crops = Crops(
            train.read_all(),
            [self.speakers.index(utterance.spk_id) for utterance in train.data],
            config.crops,
            seed=config.training.seed,
            device=device,
        )
        self.dev = [self._dev_utterance(dev, u.utt_id, u.spk_id) for u in dev.data]
        self.step, self.best_mse_db2 = 0, math.inf
        self.sums: dict[str, Tensor] = {}  # of the statistics of the steps since the last line of the log
        if (exp / "last.ckpt").exists():
            self._resume()
        save_config(exp / "config.yaml", config)

    def run(self) -> None:
        """Train to the last step of the configuration.

        On SIGINT or SIGTERM the step is finished and last.ckpt written, before KeyboardInterrupt is raised.

        Raises
        ------
        SqspeechError
            The loss is not finite.
        """
        training = self.config.training
        self.model.train()
        with (
            Interruption() as interruption,
            progress_bar() as bar,
            SummaryWriter(str(self.exp / "tensorboard"), purge_step=self.step + 1) as self._board,
            (self.exp / "metrics.jsonl").open("a", encoding="utf-8") as self._log,
        ):
            task = bar.add_task("training", total=training.steps, completed=self.step, status="")
            while self.step < training.steps:
                for name, value in self._train_step().items():
                    self.sums[name] = self.sums.get(name, 0) + value.detach()
                bar.advance(task)
                if self.step % training.log_every == 0:
                    self._log_training(bar, task)
                if self.step % training.validate_every == 0 or self.step == training.steps:
                    self._validate()
                if interruption.requested:
                    self._save("last.ckpt")
                    raise KeyboardInterrupt

    def _train_step(self) -> dict[str, Tensor]:
        training = self.config.training
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(training, self.step)
        mel, speaker = self.crops.batch(self.step)
        output = self.model(mel, speaker, temperature(training, self.step))
        self.optimizer.zero_grad()
        output.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
        self.optimizer.step()
        self.step += 1
        return {
            "loss": output.loss,
            "reconstruction": output.reconstruction,
            "mse_db2": output.mse * self.config.features.top_db**2,
            **output.quantized.statistics,
            "gradient_norm": norm,
        }

    def _log_training(self, bar: Progress, task: TaskID) -> None:
        values = {name: value.item() / self.config.training.log_every for name, value in self.sums.items()}
        self.sums.clear()
        self._check_finite(values["loss"])
        last = self.step - 1
        values["temperature"] = temperature(self.config.training, last)
        values["learning_rate"] = learning_rate(self.config.training, last)
        self._write("train", values)
        bar.update(task, status=" ".join(text.format(values[name]) for name, text in SHOWN.items() if name in values))

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise SqspeechError(
                f"{self.exp}: the loss is not finite at step {self.step}; lower training.learning_rate and train "
                "again, last.ckpt is from before it"
            )

    def _validate(self) -> None:
        self.model.eval()
        result = measure_reconstruction(self.model, self.dev, self.config.features.top_db)
        self.model.train()
        self._check_finite(result.mse_db2)
        values = {"dev_mse_db2": result.mse_db2}
        if self.model.quantizer.codebook_size:
            counts = usage(result.codes, self.model.quantizer.codebook_size)
            values |= {"dev_perplexity": perplexity(counts), "dev_active_codes": active_codes(counts)}
        self._write("dev", values)
        best = result.mse_db2 < self.best_mse_db2
        self.best_mse_db2 = min(result.mse_db2, self.best_mse_db2)
        for name in ["best.ckpt"] * best + ["last.ckpt"]:
            self._save(name)

    def _save(self, name: str) -> None:
        save_checkpoint(self.exp / name, self.config, self.speakers, self.model, self._state())

    def _write(self, group: str, values: Mapping[str, float]) -> None:
        self._log.write(json.dumps({"step": self.step, **values}) + "\n")
        self._log.flush()
        for name, value in values.items():
            self._board.add_scalar(f"{group}/{name}", value, self.step)

    def _dev_utterance(self, dev: FeatureStore, utt_id: str, spk_id: str) -> tuple[Tensor, Tensor]:
        if spk_id not in self.speakers:
            raise DataError(f"{dev.path}: speaker {spk_id} of {utt_id} is not among the training speakers")
        mel = torch.from_numpy(dev.read(utt_id)).to(self.device).unsqueeze(0)
        return mel, torch.tensor([self.speakers.index(spk_id)], device=self.device)

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "best_mse_db2": self.best_mse_db2,
            "sums": self.sums,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
        }

    def _resume(self) -> None:
        path = self.exp / "last.ckpt"
        content = read_checkpoint(path, self.device)
        _check_same_experiment(path, ExperimentConfig.from_dict(content["config"], str(path)), self.config)
        if content["speakers"] != self.speakers:
            raise DataError(f"{path}: was trained on other speakers than this dump has; choose another folder")
        state = content["training"]
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_mse_db2 = state["step"], state["best_mse_db2"]
        self.sums = state["sums"]
        _cut_log(self.exp / "metrics.jsonl", self.step)
        torch.set_rng_state(state["random"].cpu())
        if state["random_cuda"]:
            torch.cuda.set_rng_state_all([random.cpu() for random in state["random_cuda"]])


def _cut_log(path: Path, step: int) -> None:
    # What was logged after the checkpoint is logged again; a crash may have torn the last line.
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    write_text(path, "".join(kept))


def _check_same_experiment(path: Path, found: ExperimentConfig, wanted: ExperimentConfig) -> None:
    # More steps are a continuation; anything else would be another experiment under the same name.
    longer = replace(found, training=replace(found.training, steps=wanted.training.steps))
    for section, values in longer.to_dict().items():
        for key, value in values.items():
            other = wanted.to_dict()[section].get(key)
            if value != other:
                raise ConfigError(
                    f"{path}: was trained with {section}.{key} = {value}, not {other}; choose another folder for "
                    "another configuration"
                )
