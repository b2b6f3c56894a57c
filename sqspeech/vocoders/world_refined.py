"""WORLD, whose phases start a few iterations of Griffin-Lim."""

from jaxtyping import Float
from torch import Tensor

from sqspeech.features import LogMelConfig
from sqspeech.pitch import Excitation
from sqspeech.vocoders.base import VOCODERS
from sqspeech.vocoders.griffin_lim import GriffinLim
from sqspeech.vocoders.world import World


@VOCODERS.register("world_refined")
class WorldRefined:
    """Normalised log-mel and an excitation to samples that have this log-mel.

    The best copy of a recording. What a model decoded is blurred: WORLD, with an envelope of its own, makes better
    speech of it than what has this log-mel.

    Parameters
    ----------
    config
        The parameters of the log-mel.
    iterations
        Of Griffin-Lim.
    """

    name, needs_excitation = "world_refined", True

    def __init__(self, config: LogMelConfig, iterations: int = 8) -> None:
        self._world, self._griffin_lim = World(config), GriffinLim(config, iterations)

    def __call__(self, log_mel: Float[Tensor, "T M"], excitation: Excitation | None = None) -> Float[Tensor, " N"]:
        """Return N = (T - 1) * hop_length samples; see `World`."""
        return self._griffin_lim.refine(log_mel, self._world(log_mel, excitation))
