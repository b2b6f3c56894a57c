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

    The best copy of a recording. Of a log-mel that a model decoded, WORLD alone makes the better speech: what is blurred
    in it is smoothed by WORLD, and kept by Griffin-Lim.

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
