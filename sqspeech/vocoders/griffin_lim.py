"""Griffin-Lim that fits magnitudes to the mel bands and phases to the magnitudes, in turn."""

import math

import torch
import torchaudio
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

from sqspeech.features import LogMelConfig
from sqspeech.pitch import Excitation
from sqspeech.vocoders.base import VOCODERS
from sqspeech.vocoders.mel_inverse import TINY, MelFit, amplitudes, check, resampled_filters

MOMENTUM = 0.99
# Of magnitudes that begin flat, and of those that a signal has.
FIRST_FITS, REFINING_FITS = 10, 2


@VOCODERS.register("griffin_lim")
class GriffinLim:
    """Normalised log-mel to samples.

    Fast Griffin-Lim (Perraudin, Balazs and Sondergaard, WASPAA 2013). The magnitudes begin as a smooth
    spectrum that has the given mel bands. In the second half of the iterations they follow the spectrum of
    the signal, scaled so that the mel bands keep their values: what the bands leave open, such as the
    harmonics within one wide band, is then settled by what a signal can have.

    Parameters
    ----------
    config
        The parameters of the log-mel.
    iterations
        More are better and slower: 128 take about an eighth of the speech's duration on one CPU core.
    """

    name, needs_excitation = "griffin_lim", False

    def __init__(self, config: LogMelConfig, iterations: int = 128) -> None:
        self.config = config
        self.iterations = iterations
        self.n_fft = _sufficient_n_fft(config)
        self.filters = resampled_filters(config, self.n_fft)

    @torch.inference_mode()
    def __call__(self, log_mel: Float[Tensor, "T M"], excitation: Excitation | None = None) -> Float[Tensor, " N"]:
        """Return N = (T - 1) * hop_length samples, frame t centred on sample t * hop_length.

        `LogMel` makes T frames of them again, where they are long enough for it. Equal input gives equal
        output: the first phases are fixed, and the global random state is neither read nor changed. Values
        at the floor, `top_db` below the maximum, are taken as silence.

        Returns
        -------
        samples
            float32, on the device of `log_mel`; they may leave [-1, 1].

        Raises
        ------
        DataError
            The bands are not the config's, there are fewer than two frames, or a value is not finite.
        """
        fit, frames = self._parts(log_mel)
        magnitudes = fit(torch.ones(len(log_mel), len(self.filters), device=log_mel.device), FIRST_FITS)
        return self._invert(fit, frames, _random_phasors(magnitudes), magnitudes, self.iterations // 2)

    @torch.inference_mode()
    def refine(self, log_mel: Float[Tensor, "T M"], samples: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Return samples that have this log-mel, found from others that nearly have it.

        The iterations begin with the phases of these, and the magnitudes follow the signal in all of them.

        Parameters
        ----------
        log_mel
            As for `__call__`.
        samples
            N = (T - 1) * hop_length.

        Raises
        ------
        DataError
            See `__call__`.
        """
        fit, frames = self._parts(log_mel)
        emphasised = samples - self.config.preemphasis * functional.pad(samples, (1, 0))[:-1]
        spectra = frames.spectra(frames.extend(emphasised))
        return self._invert(fit, frames, spectra, fit(spectra.abs(), REFINING_FITS), 0)

    def _parts(self, log_mel: Float[Tensor, "T M"]) -> "tuple[MelFit, _Frames]":
        check(log_mel, self.config)
        fit = MelFit(amplitudes(log_mel.float(), self.config), self.filters)
        return fit, _Frames(self.config, self.n_fft, len(log_mel), log_mel.device)

    def _invert(
        self,
        fit: MelFit,
        frames: "_Frames",
        ahead: Complex[Tensor, "T F"],
        magnitudes: Float[Tensor, "T F"],
        kept: int,
    ) -> Float[Tensor, " N"]:
        """Return the samples after the iterations; in the first `kept` of them the magnitudes stay as they are."""
        previous = torch.zeros_like(ahead)
        for iteration in range(self.iterations):
            spectra = frames.spectra(frames.signal(_with_magnitudes(ahead, magnitudes)))
            ahead = spectra + MOMENTUM * (spectra - previous)
            previous = spectra
            if iteration >= kept:
                magnitudes = fit(spectra.abs())
        return self._deemphasise(frames.trim(frames.signal(_with_magnitudes(ahead, magnitudes))))

    def _deemphasise(self, samples: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        feedback = samples.new_tensor([1.0, -self.config.preemphasis])
        # torchaudio's deemphasis would clip at full scale.
        deemphasised: Tensor = torchaudio.functional.lfilter(
            samples, feedback, samples.new_tensor([1.0, 0.0]), clamp=False
        )
        return deemphasised


class _Frames:
    """A signal that reaches half a window beyond its first and last frame centre, and its spectra.

    Phases count from a frame's first sample, unlike torch.stft's, and no edge is padded, so that any number
    of frames has a signal.
    """

    def __init__(self, config: LogMelConfig, n_fft: int, frames: int, device: torch.device) -> None:
        self.window = torch.hann_window(config.win_length, device=device)
        self.hop_length = config.hop_length
        self.n_fft = n_fft
        self.inner = (frames - 1) * config.hop_length
        self.envelope = self._overlap_add(self.window.square().expand(frames, -1)).clamp(min=1e-2)

    def spectra(self, signal: Float[Tensor, " L"]) -> Complex[Tensor, "T F"]:
        frames = signal.unfold(0, len(self.window), self.hop_length)
        spectra: Tensor = torch.fft.rfft(frames * self.window, n=self.n_fft)
        return spectra

    def signal(self, spectra: Complex[Tensor, "T F"]) -> Float[Tensor, " L"]:
        """Return the signal whose spectra are nearest in the least squares sense (Griffin and Lim, 1984)."""
        frames = torch.fft.irfft(spectra, n=self.n_fft)[:, : len(self.window)]
        return self._overlap_add(frames * self.window) / self.envelope

    def extend(self, samples: Float[Tensor, " N"]) -> Float[Tensor, " L"]:
        half = len(self.window) // 2
        return functional.pad(samples, (half, len(self.window) - half))

    def trim(self, signal: Float[Tensor, " L"]) -> Float[Tensor, " N"]:
        return signal[len(self.window) // 2 :][: self.inner]

    def _overlap_add(self, frames: Float[Tensor, "T W"]) -> Float[Tensor, " L"]:
        length, width = self.inner + frames.shape[1], frames.shape[1]
        return functional.fold(frames.T[None], (1, length), (1, width), stride=(1, self.hop_length)).flatten()


def _sufficient_n_fft(config: LogMelConfig) -> int:
    # The autocorrelation of W samples has 2 W - 1 lags: more points add nothing to a frame's magnitudes.
    return min(config.n_fft, 1 << (2 * config.win_length - 1).bit_length())


def _random_phasors(magnitudes: Float[Tensor, "T F"]) -> Complex[Tensor, "T F"]:
    # Drawn on the CPU, so that every device begins alike.
    phases = torch.rand(magnitudes.shape, generator=torch.Generator().manual_seed(0)) * (2 * math.pi)
    return torch.polar(torch.ones_like(phases), phases).to(magnitudes.device)


def _with_magnitudes(spectra: Complex[Tensor, "T F"], magnitudes: Float[Tensor, "T F"]) -> Complex[Tensor, "T F"]:
    return spectra * (magnitudes / spectra.abs().clamp(min=TINY))
