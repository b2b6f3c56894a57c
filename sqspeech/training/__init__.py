"""Training: the loop and its schedules."""

from sqspeech.training.trainer import Trainer

__all__ = ["Trainer"]
