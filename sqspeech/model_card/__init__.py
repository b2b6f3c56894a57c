"""The model card of a checkpoint."""

from sqspeech.model_card.card import model_card

__all__ = ["model_card"]
