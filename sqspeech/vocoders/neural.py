"""Trained source-filter vocoder, in blocks of frames that give what the whole would."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
import torchaudio
from jaxtyping import Float
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional

from sqspeech.errors import ConfigError
from sqspeech.features import LogMelConfig
from sqspeech.graph import Graph
from sqspeech.pitch import Excitation
from sqspeech.vocoders.base import VOCODERS, check_excitation
from sqspeech.vocoders.mel_inverse import amplitudes, check
from sqspeech.vocoders.neural_graph import add_audible, add_emphasised, add_response
from sqspeech.vocoders.pulses import PulseTrack, running_phase
from sqspeech.vocoders.source_filter import SourceFilter, SourceFilterConfig

# Frames that are computed at once.
BLOCK = 1024
# Samples after which the noise repeats itself: 33 s at 16 kHz, longer than the pieces in which a codec vocodes.
NOISE_PERIOD = 2**19
# In Hz: nothing of speech is below, but de-emphasis would amplify what the network leaves there.
HIGH_PASS = 40.0
# Of the largest value of its impulse response: what an ONNX graph leaves of the recursive filter is below.
NEGLIGIBLE = 1e-8


@VOCODERS.register("neural")
class NeuralVocoder:
    """Normalised log-mel and F0 to samples: pulses and noise through the filters of a trained network.

    Equal input gives equal output: the noise is fixed, and the global random state is neither read nor changed. The
    aperiodicity of the excitation is not used.

    Parameters
    ----------
    config
        The parameters of the log-mel.
    network
        The trained network, whose features these are.
    block
        The frames that are computed at once; the samples differ by rounding alone.

    Raises
    ------
    ConfigError
        There is no network.
    """

    name, needs_excitation = "neural", True

    def __init__(self, config: LogMelConfig, network: SourceFilter | None = None, block: int = BLOCK) -> None:
        if network is None:
            raise ConfigError(
                "the vocoder neural must be trained, and this model has none; train one with `sqspeech train DUMP EXP "
                "--config vocoder.yaml`, and add it with `sqspeech attach-vocoder CKPT EXP/best.ckpt -o OUT.ckpt`"
            )
        self.config, self.network, self.block = config, network.eval(), block

    @classmethod
    def restore(cls, config: LogMelConfig, stored: Mapping[str, Any], device: torch.device) -> "NeuralVocoder":
        """Return the vocoder of a checkpoint: `network`, its configuration, and `model`, its weights."""
        network = SourceFilter(TypeAdapter(SourceFilterConfig).validate_python(stored["network"]), config)
        network.load_state_dict(stored["model"])
        return cls(config, network.to(device))

    @torch.inference_mode()
    def __call__(self, log_mel: Float[Tensor, "T M"], excitation: Excitation | None = None) -> Float[Tensor, " N"]:
        """Return N = (T - 1) * hop_length samples, float32 on the device of `log_mel`, which may leave [-1, 1].

        Frames all of whose values are at the floor, `top_db` below the maximum, are taken as silence.

        Raises
        ------
        DataError
            The bands are not the config's, there are fewer than two frames, or a value is not finite.
        ValueError
            There is no excitation, or it has another number of frames.
        """
        check(log_mel, self.config)
        excitation = check_excitation(excitation, log_mel)
        mel = log_mel.float()[None]
        f0 = torch.from_numpy(excitation.f0).float().to(mel.device)[None]
        audible = (amplitudes(mel[0], self.config) > 0).any(1)
        return self._deemphasise(self._emphasised(mel, f0, audible.float()[None, :, None]))

    def add_to_graph(self, graph: Graph, mel: str, f0: str, output: str) -> str:
        """Append the whole to an ONNX graph without its refusals, (T, M) log-mel and (T,) F0 in Hz to (N,) samples."""
        audible = add_audible(graph, mel, self.config)
        emphasised = add_emphasised(graph, self.network, mel, f0, audible, _fixed_noise().numpy())
        return add_response(graph, emphasised, self._response(), self.config.hop_length, output)

    def _response(self) -> Float[np.ndarray, " R"]:
        """Return the impulse response of `_deemphasise` as far as it matters, at most a second."""
        impulse = functional.pad(torch.ones(1), (0, self.config.sample_rate - 1))
        response = self._deemphasise(impulse).numpy()
        return response[: 1 + np.flatnonzero(np.abs(response) > NEGLIGIBLE * np.abs(response).max())[-1]]

    def _emphasised(self, mel: Tensor, f0: Tensor, audible: Tensor) -> Float[Tensor, " N"]:
        network, hop = self.network, self.config.hop_length
        count, edge, context = mel.shape[1], network.edge, network.context
        track = PulseTrack.of(f0, running_phase(f0, self.config)).extended(edge, self.config)
        added = mel.new_zeros(1, (count + 2 * edge - 1) * hop)
        for first in range(0, count, self.block):
            last = min(count, first + self.block)
            begin, end = max(0, first - context), min(count, last + context)
            filters = network.filters(mel[:, begin:end], f0[:, begin:end]).part(first - begin, last - begin)
            pulses = track.part(first, last + 2 * edge).samples(self.config)
            noise = _noise(first * hop, pulses.shape[1]).to(mel.device)[None]
            frames = network.frames(filters, pulses, noise) * audible[:, first:last]
            added[:, first * hop : first * hop + pulses.shape[1]] += network.overlap_add(frames)
        return network.trim(added, network.envelope(count))[0]

    def _deemphasise(self, samples: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Return the samples without pre-emphasis and without what is below 40 Hz, in one recursion."""
        zeros, poles = _high_pass(HIGH_PASS / self.config.sample_rate)
        poles = functional.pad(poles, (0, 1)) - self.config.preemphasis * functional.pad(poles, (1, 0))
        zeros = functional.pad(zeros, (0, 1))
        # In double precision: the poles are close to 1.
        filtered: Tensor = torchaudio.functional.lfilter(
            samples.double(), poles.to(samples.device), zeros.to(samples.device), clamp=False
        )
        return filtered.float()


@cache
def _fixed_noise() -> Float[Tensor, " P"]:
    # Drawn on the CPU, so that every device has the same.
    return torch.randn(NOISE_PERIOD, generator=torch.Generator().manual_seed(0))


def _noise(first: int, count: int) -> Float[Tensor, " N"]:
    """Return the noise of the samples from `first` on."""
    return _fixed_noise()[(first + torch.arange(count)) % NOISE_PERIOD]


def _high_pass(frequency: float) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Return zeros and poles of a Butterworth filter of order 2, whose frequency is a share of the sample rate."""
    k = math.tan(math.pi * frequency)
    norm = 1 + math.sqrt(2) * k + k * k
    poles = [1.0, 2 * (k * k - 1) / norm, (1 - math.sqrt(2) * k + k * k) / norm]
    return torch.tensor([1.0, -2.0, 1.0]).double() / norm, torch.tensor(poles).double()
