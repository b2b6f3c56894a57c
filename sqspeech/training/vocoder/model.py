"""Network of the task `vocoder`, with its losses and discriminators."""

from copy import deepcopy

from torch import nn

from sqspeech.training.vocoder.config import VocoderConfig
from sqspeech.training.vocoder.discriminators import Discriminators
from sqspeech.training.vocoder.losses import SpectralLosses
from sqspeech.vocoders.source_filter import SourceFilter


class VocoderModel(nn.Module):
    """The network in training, the running mean of its weights, the losses, and the discriminators where wanted."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.generator = SourceFilter(config.network, config.features)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self.losses = SpectralLosses(config.features)
        self.discriminators = Discriminators(config.discriminators) if config.discriminators.begin is not None else None
