"""The training loop: steps, validation, checkpoints, logs."""

import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from sqspeech.checkpoint import build_model, checkpoint_content
from sqspeech.config import ExperimentConfig, save_config
from sqspeech.data.crops import Crops
from sqspeech.data.feature_store import FeatureStore, read_state
from sqspeech.data.frame_cache import Residency, load_frames
from sqspeech.data.speaker_pitch import read_speaker_pitch
from sqspeech.errors import CheckpointError, ConfigError, DataError, SqspeechError
from sqspeech.training.checkpoints import Checkpoints, remove_torn
from sqspeech.training.dev_metrics import Validation
from sqspeech.training.health import Health
from sqspeech.training.interruption import Interruption, Stopped
from sqspeech.training.log import TrainingLog, cut_log
from sqspeech.training.process_group import is_first, least, part, processes_here
from sqspeech.training.profiling import profile_steps
from sqspeech.training.provenance import record_run
from sqspeech.training.schedules import learning_rate, temperature
from sqspeech.training.step import NEVER, TrainingStep

# Other draws tried from one checkpoint, before the fault is taken not to be in the draw.
ROLLBACKS = 5
# What may change when an experiment is continued: how long, and what is written when.
CHANGEABLE = ("steps", "checkpoint_every", "checkpoint_seconds", "keep_every", "keep")


class Trainer:
    """Train a model, or continue the training of an experiment directory.

    `exp` receives config.yaml, runs.jsonl (how it was made), metrics.jsonl, tensorboard/, last.ckpt,
    previous.ckpt, best.ckpt (least error on dev) and step-N.ckpt. Where torchrun started several processes, each
    takes its rows of every batch, and the first writes.

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
    residency
        Where the frames live (see `load_frames`).
    eager
        Launch a GPU's operations one by one, for debugging; a CPU always does.
    on_nan
        When a step is not finite: `stop`, or `rollback` to the last checkpoint and go on with another draw.

    Raises
    ------
    ConfigError
        The experiment directory was made with another configuration.
    DataError
        `dev` has a speaker that `train` lacks, or no training utterance is as long as a crop.
    CheckpointError
        None of the experiment's checkpoints can be read.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        train: FeatureStore,
        dev: FeatureStore,
        exp: Path,
        device: torch.device,
        *,
        residency: Residency = "auto",
        eager: bool = False,
        on_nan: Literal["stop", "rollback"] = "stop",
    ) -> None:
        self.config, self.exp, self.device, self.on_nan = config, exp, device, on_nan
        self.speakers, self.pitch = train.data.speakers, read_speaker_pitch(train.path)
        self.step, self.best_mse_db2 = 0, math.inf
        self.last_values: dict[str, float] = {}
        training = config.training
        self.checkpoints = Checkpoints(
            exp, keep_every=training.keep_every, keep=training.keep, seconds=training.checkpoint_seconds
        )
        if is_first():
            remove_torn(exp)
        content = self.checkpoints.load(device)
        if content:
            self._check_same(content)
        self.validation = Validation(dev, self.speakers, config.features.top_db, device)
        self.frames = load_frames(train, residency, config.crops.storage, device, sharers=processes_here())
        places = {speaker: index for index, speaker in enumerate(self.speakers)}
        speakers = [places[utterance.spk_id] for utterance in train.data]
        self.crops = Crops(self.frames, speakers, config.crops, seed=training.seed, part=part())
        torch.manual_seed(training.seed)
        self.model = build_model(config, len(self.speakers)).to(device)
        self.train_step = TrainingStep(self.model, self.crops, config, device, eager=eager)
        self.health = Health(self.model.quantizer.codebook_size)
        if content:
            self._restore(content)
        if is_first():
            save_config(exp / "config.yaml", config)
            record_run(
                exp,
                first_step=self.step,
                fingerprints={"train": read_state(train.path).fingerprint, "dev": read_state(dev.path).fingerprint},
                device=str(device),
                processes=part()[1],
            )

    def run(self) -> None:
        """Train to the last step of the configuration.

        Raises
        ------
        Stopped
            SIGINT, SIGTERM or SIGUSR1 came; the step was finished and last.ckpt written.
        SqspeechError
            A step was not finite, or a checkpoint cannot be written.
        """
        self.model.train()
        if self.step == 0:
            self._save()  # what cannot be written is known now, and a rollback has somewhere to go
        with Interruption() as interruption:
            try:
                while self.step < self.config.training.steps:
                    self._train(interruption)
            finally:
                # Before the process group ends: a graph that holds NCCL's calls would keep it from ending.
                self.train_step.forget_graph()
                self.checkpoints.wait()

    def profile(self, steps: int) -> str:
        """Train some steps without keeping them, write EXP/profile.json and return where a step's time goes."""
        numbers = iter(range(self.step, self.step + 2**31))
        self.model.train()
        try:
            return profile_steps(lambda: self.train_step(next(numbers)), steps, self.exp, self.device)
        finally:
            self.train_step.forget_graph()

    def _train(self, interruption: Interruption) -> None:
        """Train to the end, or to a step that is not finite and is then rolled back."""
        training = self.config.training
        if is_first():
            cut_log(self.exp / "metrics.jsonl", self.step)
        with TrainingLog(self.exp, steps=training.steps, first=self.step, quiet=not is_first()) as log:
            while self.step < training.steps:
                self.train_step(self.step)
                self.step += 1
                log.advance()
                ends = self.step == training.steps
                logs = self.step % training.log_every == 0
                validates = self.step % training.validate_every == 0 or ends
                keeps = self.checkpoints.keeps(self.step)
                may_save = self.step % training.checkpoint_every == 0
                if not (logs or validates or keeps or may_save) and self.device.type != "cpu":
                    continue  # to look would be to wait for the device
                number, bad, due = self._agree(interruption)
                if bad is not None:
                    self._roll_back(bad, log)
                    return
                if logs:
                    self._log_training(log)
                best = validates and self._validate(log)
                if best or ends or keeps or number or (may_save and due):
                    with log.pause():
                        self._save(best=best)
                if number and not ends:
                    self.checkpoints.wait()
                    raise Stopped(self.exp, self.step, number)

    def _agree(self, interruption: Interruption) -> tuple[signal.Signals | None, int | None, bool]:
        """Return the signal that came, the first step that was not finite, and whether a checkpoint is due."""
        # A signal may reach one process only, a loss be infinite in one, and clocks differ: all must know the same.
        self.checkpoints.check()
        asked = [-(interruption.requested or 0), self.train_step.first_bad(), -int(self.checkpoints.due())]
        number, bad, due = least(asked, self.device)
        return (signal.Signals(-number) if number else None), (bad if bad != NEVER else None), bool(due)

    def _log_training(self, log: TrainingLog) -> None:
        training, last = self.config.training, self.step - 1
        values = {name: value / training.log_every for name, value in self.train_step.statistics().items()}
        self.train_step.clear()
        self.last_values = values
        rates = {"temperature": temperature(training, last), "learning_rate": learning_rate(training, last)}
        log.train(values | rates)

    def _validate(self, log: TrainingLog) -> bool:
        with log.pause():
            values = self.validation(self.model)
        log.dev(values)
        for text in self.health.examine(self.last_values, values):
            log.warn(text)
        best = values["dev_mse_db2"] < self.best_mse_db2
        self.best_mse_db2 = min(values["dev_mse_db2"], self.best_mse_db2)
        return best

    def _roll_back(self, bad: int, log: TrainingLog) -> None:
        before = ", ".join(f"{name} {value:.4g}" for name, value in self.last_values.items())
        self.checkpoints.wait()
        least([0], self.device)  # nobody reads before the first has written
        content = self.checkpoints.load(self.device)
        if content is None:
            raise CheckpointError(f"{self.exp}: the checkpoints were removed while training; train again")
        state, draw = content["training"], self.train_step.draw + 1
        what = (
            f"{self.exp}: step {bad + 1} is not finite; the mean of the last logged steps was "
            f"{before or 'not yet taken'}; the last good checkpoint is {content['path'].name} of step {state['step']}"
        )
        if self.on_nan == "stop":
            raise SqspeechError(
                f"{what}; lower training.learning_rate in another folder, or go on with --on-nan rollback"
            )
        if draw - state["step_state"]["draw"] > ROLLBACKS:
            raise SqspeechError(f"{what}; {ROLLBACKS} other draws from there failed too; lower training.learning_rate")
        log.warn(f"{what}; going on from there with another draw")
        self._restore(content)
        self.train_step.redraw(draw)

    def _save(self, *, best: bool = False) -> None:
        state = {
            "step": self.step,
            "best_mse_db2": self.best_mse_db2,
            "last_values": self.last_values,
            "health": self.health.state(),
            "step_state": self.train_step.state(),
        }
        if is_first():
            content = checkpoint_content(self.config, self.speakers, self.pitch, self.model, state)
            self.checkpoints.save(content, best=best)

    def _check_same(self, content: dict[str, Any]) -> None:
        path = self.exp / "last.ckpt"
        _check_same_experiment(path, ExperimentConfig.from_dict(content["config"], str(path)), self.config)
        if content["speakers"] != self.speakers:
            raise DataError(f"{path}: was trained on other speakers than this dump has; choose another folder")

    def _restore(self, content: dict[str, Any]) -> None:
        state = content["training"]
        self.model.load_state_dict(content["model"])
        self.train_step.load(state["step_state"])
        self.health.load(state["health"])
        self.step, self.best_mse_db2 = state["step"], state["best_mse_db2"]
        self.last_values = state["last_values"]


def _check_same_experiment(path: Path, found: ExperimentConfig, wanted: ExperimentConfig) -> None:
    # More steps are a continuation; anything else would be another experiment under the same name.
    changed = {name: getattr(wanted.training, name) for name in CHANGEABLE}
    continued = replace(found, training=replace(found.training, **changed))
    for section, values in continued.to_dict().items():
        for key, value in values.items():
            other = wanted.to_dict()[section].get(key)
            if value != other:
                raise ConfigError(
                    f"{path}: was trained with {section}.{key} = {value}, not {other}; choose another folder for "
                    "another configuration"
                )
