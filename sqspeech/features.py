"""The only mel spectrogram in the project."""

from collections.abc import Sequence

import torch
import torchaudio
from jaxtyping import Float
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from sqspeech.errors import DataError

# librosa.amplitude_to_db's floor, which the published features were made with: -100 dB.
AMPLITUDE_FLOOR = 1e-5
# On the CPU as many as its cache holds, on a GPU as many as keep it busy; memory is bounded, however long the audio.
FRAMES_AT_ONCE = {False: 128, True: 16384}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class LogMelConfig:
    """Log-mel parameters; the defaults are those of the published ZeroSpeech features.

    `peak` is the amplitude that an utterance is scaled to, `preemphasis` the filter's coefficient, `top_db`
    the span in dB below the utterance's maximum; `pad_mode` is how the edges are padded for centred frames.
    """

    sample_rate: int = Field(default=16000, gt=0)
    n_fft: int = Field(default=2048, gt=0)
    win_length: int = Field(default=400, gt=0)
    hop_length: int = Field(default=160, gt=0)
    n_mels: int = Field(default=80, gt=0)
    fmin: float = Field(default=50.0, ge=0)
    fmax: float = Field(default=8000.0, gt=0)
    preemphasis: float = Field(default=0.97, ge=0, lt=1)
    peak: float = Field(default=0.999, gt=0, le=1)
    pad_mode: str = Field(default="reflect", pattern="^(reflect|constant|replicate)$")
    top_db: float = Field(default=80.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "LogMelConfig":
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} exceeds n_fft {self.n_fft}")
        if not self.fmin < self.fmax <= self.sample_rate / 2:
            raise ValueError(f"fmin {self.fmin} < fmax {self.fmax} <= {self.sample_rate / 2} Hz does not hold")
        return self

    @property
    def edges(self) -> tuple[int, int]:
        """Samples that are padded before and after: win_length together.

        The frames are those of an n_fft window: what lies outside the win_length in its middle is not seen.
        """
        left = self.n_fft // 2 - (self.n_fft - self.win_length) // 2
        return left, self.win_length - left


class LogMel(torch.nn.Module):
    """Samples to normalised log-mel: 20 log10 |mel|, floored `top_db` below its maximum, / `top_db` + 1.

    Each utterance is scaled to `peak` and pre-emphasised first. The bands follow Slaney's scale and norm.
    A range of [0, 1] is usual and not guaranteed; the span within an utterance is at most 1. Silence is -0.25.

    Parameters
    ----------
    config
        The parameters; a stored feature and the model that reads it must have equal ones.

    Attributes
    ----------
    filters
        The mel filters, shape (n_fft // 2 + 1, M).
    """

    filters: Tensor
    window: Tensor

    def __init__(self, config: LogMelConfig = LogMelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        filters = torchaudio.functional.melscale_fbanks(
            config.n_fft // 2 + 1,
            config.fmin,
            config.fmax,
            config.n_mels,
            config.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(config.win_length), persistent=False)

    def forward(self, samples: Float[Tensor, " N"]) -> Float[Tensor, "T M"]:
        """Return the log-mel of one utterance, T = 1 + N // hop_length frames of M bands.

        Parameters
        ----------
        samples
            Mono samples at `config.sample_rate`, any level.

        Raises
        ------
        DataError
            The samples are too few for one centred frame, constant, or not finite.
        """
        return self.normalise(self.decibels(samples, self.peak(samples)))

    def decibels(
        self, samples: Float[Tensor, " N"], peak: Tensor, first: int = 0, last: int | None = None
    ) -> Float[Tensor, "T M"]:
        """Return 20 log10 |mel| of the frames `first` to `last` (default: all) of a recording.

        They have no floor but that of the logarithm. `peak` is the recording's. The samples may be anywhere: those
        that the frames need are brought to the device and the precision of the filters.
        """
        hop, (left, right) = self.config.hop_length, self.config.edges
        last = 1 + len(samples) // hop if last is None else last
        begin, end = first * hop - left, (last - 1) * hop + right
        # With the sample before, which the pre-emphasis needs, and with enough for the padding to be taken from.
        start = max(0, min(begin, len(samples) - right) - 1)
        stop = min(len(samples), max(end, left + 1))
        emphasised = self._emphasise(samples[start:stop].to(self.window), peak.to(self.window))
        edges = max(0, -begin), max(0, end - stop)
        padded = functional.pad(emphasised[None], edges, mode=self.config.pad_mode)[0, max(0, begin) - start :]
        return _in_decibels(self._mel(padded.unfold(0, self.config.win_length, hop)))

    def normalise(self, decibels: Float[Tensor, "T M"], loudest: Tensor | None = None) -> Float[Tensor, "T M"]:
        """Return decibels floored `top_db` below the `loudest` of the recording, by default theirs, / `top_db` + 1."""
        top = decibels.max() if loudest is None else loudest
        return decibels.clamp(min=top - self.config.top_db) / self.config.top_db + 1

    def condition(self, samples: Float[Tensor, " N"]) -> Float[Tensor, " P"]:
        """Return the scaled, pre-emphasised samples with the edges padded by P - N = win_length; see `forward`."""
        emphasised = self._emphasise(samples, self.peak(samples))
        padded: Tensor = functional.pad(emphasised[None], self.config.edges, mode=self.config.pad_mode)[0]
        return padded

    def _emphasise(self, samples: Float[Tensor, " N"], peak: Tensor) -> Float[Tensor, " N"]:
        scaled = samples * (self.config.peak / peak) if peak > 0 else samples
        emphasised: Tensor = torchaudio.functional.preemphasis(scaled, self.config.preemphasis)
        return emphasised

    def log_mels(self, conditioned: Sequence[Float[Tensor, " _"]]) -> list[Float[Tensor, "_ M"]]:
        """Return the log-mels of utterances that `condition` has prepared, computed together."""
        frames = [signal.unfold(0, self.config.win_length, self.config.hop_length) for signal in conditioned]
        mels = self._mel(frames[0] if len(frames) == 1 else torch.cat(frames))
        return [self.normalise(_in_decibels(mel)) for mel in torch.split(mels, [len(part) for part in frames])]

    def _mel(self, frames: Float[Tensor, "T W"]) -> Float[Tensor, "T M"]:
        mel = frames.new_empty(len(frames), self.config.n_mels)
        size = FRAMES_AT_ONCE[frames.device.type == "cuda"]
        padded = frames.new_zeros(min(size, len(frames)), self.config.n_fft)
        for part, out in zip(torch.split(frames, size), torch.split(mel, size), strict=True):
            windowed = padded[: len(part)]
            torch.mul(part, self.window, out=windowed[:, : self.config.win_length])
            squares = torch.view_as_real(torch.fft.rfft(windowed)).square_()
            # The magnitude by hand: torch.abs of complex numbers takes longer than their transform.
            magnitude = (squares[..., 0] + squares[..., 1]).sqrt_()
            torch.mm(magnitude, self.filters, out=out)
        return mel

    def peak(self, samples: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """Return the largest magnitude; raises DataError (see `forward`)."""
        shortest = self.config.n_fft // 2 + 1
        if len(samples) < shortest:
            raise DataError(
                f"{len(samples)} samples at {self.config.sample_rate} Hz are too short for features; "
                f"at least {shortest} are needed, leave the utterance out"
            )
        # Both ends are NaN when any sample is.
        low, high = samples.aminmax()
        if not torch.isfinite(high - low):
            raise DataError("NaN or infinite samples; the audio is damaged, fetch or record it again")
        if low == high != 0:
            raise DataError("every sample has the same value; the recording has no sound, leave it out")
        return torch.maximum(-low, high)


def _in_decibels(mel: Tensor) -> Tensor:
    return 20 * mel.clamp(min=AMPLITUDE_FLOOR).log10()
