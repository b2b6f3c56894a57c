"""The training loop: steps, validation, checkpoints, logs."""

import math
import signal
from pathlib import Path
from typing import Any, Literal

import torch

from sqspeech.config import TaskConfig
from sqspeech.errors import CheckpointError, SqspeechError
from sqspeech.training.checkpoints import Checkpoints, remove_torn
from sqspeech.training.health import Health
from sqspeech.training.interruption import Interruption, Stopped
from sqspeech.training.log import TrainingLog, cut_log
from sqspeech.training.process_group import is_first, least, part
from sqspeech.training.profiling import profile_steps
from sqspeech.training.provenance import record_run
from sqspeech.training.resume import check_same_experiment, training_state
from sqspeech.training.step import NEVER, TrainingStep
from sqspeech.training.tasks.base import Residency, save_task_config, task_of

# Other draws tried from one checkpoint, before the fault is taken not to be in the draw.
ROLLBACKS = 5


class Trainer:
    """Train a model, or continue the training of an experiment directory.

    `exp` receives config.yaml, runs.jsonl (how it was made), metrics.jsonl, tensorboard/, last.ckpt,
    previous.ckpt, best.ckpt (the best on dev, see `Task.better`) and step-N.ckpt. Where torchrun started several
    processes, each takes its rows of every batch, and the first writes.

    Parameters
    ----------
    config
        The experiment; its class tells the task.
    train, dev
        The data, as the task's `open_data` returns them.
    exp
        The experiment directory.
    device
        Where to train.
    residency
        Where the data live while training: on the device, on the host, on the disk, or the first of these that has
        the memory.
    eager
        Launch a GPU's operations one by one, for debugging; a CPU always does.
    on_nan
        When a step is not finite: `stop`, or `rollback` to the last checkpoint and go on with another draw.

    Raises
    ------
    ConfigError
        The experiment directory was made with another configuration, or no task has a configuration of this class.
    DataError
        The data do not fit the task, each other, or the experiment directory.
    CheckpointError
        None of the experiment's checkpoints can be read.
    """

    def __init__(
        self,
        config: TaskConfig,
        train: Any,
        dev: Any,
        exp: Path,
        device: torch.device,
        *,
        residency: Residency = "auto",
        eager: bool = False,
        on_nan: Literal["stop", "rollback"] = "stop",
    ) -> None:
        self.config, self.exp, self.device, self.on_nan = config, exp, device, on_nan
        self.task = task_of(config)
        self.step, self.best = 0, math.inf
        self.last_values: dict[str, float] = {}
        self._about, training = self.task.about(train), config.training
        self.checkpoints = Checkpoints(
            exp, keep_every=training.keep_every, keep=training.keep, seconds=training.checkpoint_seconds
        )
        if is_first():
            remove_torn(exp)
        content = self.checkpoints.load(device)
        if content:
            check_same_experiment(exp / "last.ckpt", content["config"], config)
            self.task.check_resumed(content, self._about, exp / "last.ckpt")
        torch.manual_seed(training.seed)
        self.model = self.task.model(train).to(device)
        self.measure = self.task.dev_metrics(self.model, train, dev, device)
        self.batches = self.task.batches(self.model, train, device, residency, part())
        self.train_step = TrainingStep(self.model, self.batches, config, device, eager=eager)
        self.health = Health(lambda *values: self.task.warnings(self.model, *values))
        if content:
            self._restore(content)
        if is_first():
            save_task_config(exp / "config.yaml", config)
            fingerprints = self.task.fingerprints(train, dev)
            record_run(
                exp, first_step=self.step, fingerprints=fingerprints, device=str(device), processes=part()[1]
            )  # fmt: skip

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
        shown = self.task.shown
        with TrainingLog(self.exp, steps=training.steps, first=self.step, shown=shown, quiet=not is_first()) as log:
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
        self.last_values = self.train_step.means(range(self.step - self.config.training.log_every, self.step))
        self.train_step.clear()
        log.train(self.last_values | self.task.schedule(self.step - 1))

    def _validate(self, log: TrainingLog) -> bool:
        with log.pause():
            values = self.measure(self.model)
        log.dev(values)
        for text in self.health.examine(self.last_values, values):
            log.warn(text)
        found = values[self.task.best]
        if better := self.task.better(found, self.best, self.step):
            self.best = found
        return better

    def _roll_back(self, bad: int, log: TrainingLog) -> None:
        before = ", ".join(f"{name} {value:.4g}" for name, value in self.last_values.items())
        self.checkpoints.wait()
        least([0], self.device)  # nobody reads before the first has written
        content = self.checkpoints.load(self.device)
        if content is None:
            raise CheckpointError(f"{self.exp}: the checkpoints were removed while training; train again")
        state, draw = training_state(content), self.train_step.draw + 1
        what = (
            f"{self.exp}: step {bad + 1} is not finite; the mean of the last logged steps was "
            f"{before or 'not yet taken'}; the last good checkpoint is {content['path'].name} of step {state['step']}"
        )
        if self.on_nan == "stop":
            raise SqspeechError(f"{what}; lower the learning rate in another folder, or go on with --on-nan rollback")
        if draw - state["step_state"]["draw"] > ROLLBACKS:
            raise SqspeechError(f"{what}; {ROLLBACKS} other draws from there failed too; lower the learning rate")
        log.warn(f"{what}; going on from there with another draw")
        self._restore(content)
        self.train_step.redraw(draw)

    def _save(self, *, best: bool = False) -> None:
        state = {
            "step": self.step,
            "best": self.best,
            "last_values": self.last_values,
            "health": self.health.state(),
            "step_state": self.train_step.state(),
        }
        if is_first():
            self.checkpoints.save(self.task.content(self.model, self._about, state), best=best)

    def _restore(self, content: dict[str, Any]) -> None:
        state = training_state(content)
        self.model.load_state_dict(content["model"])
        self.train_step.load(state["step_state"])
        self.health.load(state["health"])
        self.step, self.best = state["step"], state["best"]
        self.last_values = state["last_values"]
