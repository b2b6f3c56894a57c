"""Former name of `sqspeech.training.dev_metrics`, for scripts that import it; nothing here does."""

from sqspeech.training.dev_metrics import Validation

__all__ = ["Validation"]
