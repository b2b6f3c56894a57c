"""Contract of the vocoders, and their registry."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from sqspeech.features import LogMelConfig
from sqspeech.pitch import Excitation
from sqspeech.registry import Registry


@runtime_checkable
class Vocoder(Protocol):
    """A log-mel of T frames, and the excitation of the same frames, to (T - 1) * hop_length samples.

    It is made of the parameters of the log-mel; threads may share it. The method `restore` of the class of a trained
    one makes it of them, of what the checkpoint of a model stores of it, and of a device.

    Attributes
    ----------
    name
        As the registry has it.
    needs_excitation
        Whether it uses the excitation; where it does not, None will do. The aperiodicity of an excitation is computed
        when it is read: a vocoder that reads F0 alone does not pay for it.
    """

    name: str
    needs_excitation: bool

    def __call__(self, log_mel: Tensor, excitation: Excitation | None = None) -> Tensor:
        """Return the samples, which may leave [-1, 1]."""


VOCODERS: Registry[Any] = Registry("vocoder", "sqspeech.vocoders")


def build_vocoder(name: str, config: LogMelConfig) -> Vocoder:
    """Return the vocoder of a name for features with these parameters; raises ConfigError where there is none."""
    vocoder: Vocoder = VOCODERS[name](config)
    return vocoder


def without_pitch() -> list[str]:
    """Return the names of the vocoders that need no pitch."""
    return [name for name in VOCODERS.names() if not VOCODERS[name].needs_excitation]


def check_excitation(excitation: Excitation | None, log_mel: Tensor) -> Excitation:
    """Return the excitation of a log-mel (T, M); raises ValueError where there is none, or it has not T frames."""
    if excitation is None or len(excitation.f0) != len(log_mel):
        raise ValueError(f"an excitation of {len(log_mel)} frames is needed")
    return excitation
