"""The only mel spectrogram in the project."""

import torch
import torchaudio
from jaxtyping import Float
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from sqspeech.errors import DataError

# librosa.amplitude_to_db's floor, which the published features were made with: -100 dB.
AMPLITUDE_FLOOR = 1e-5


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


class LogMel(torch.nn.Module):
    """Samples to normalised log-mel: 20 log10 |mel|, floored `top_db` below its maximum, / `top_db` + 1.

    Each utterance is scaled to `peak` and pre-emphasised first. The bands follow Slaney's scale and norm.
    A range of [0, 1] is usual and not guaranteed; the span within an utterance is at most 1. Silence is -0.25.

    Parameters
    ----------
    config
        The parameters; a stored feature and the model that reads it must have equal ones.
    """

    def __init__(self, config: LogMelConfig = LogMelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            win_length=config.win_length,
            hop_length=config.hop_length,
            f_min=config.fmin,
            f_max=config.fmax,
            n_mels=config.n_mels,
            power=1.0,
            pad_mode=config.pad_mode,
            norm="slaney",
            mel_scale="slaney",
        )

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
        self._check(samples)
        peak = samples.abs().max()
        scaled = samples * (self.config.peak / peak) if peak > 0 else samples
        emphasised = torchaudio.functional.preemphasis(scaled, self.config.preemphasis)
        decibels = 20 * self.spectrogram(emphasised).clamp(min=AMPLITUDE_FLOOR).log10()
        floored = decibels.clamp(min=decibels.max() - self.config.top_db)
        mel: Tensor = (floored / self.config.top_db + 1).T.contiguous()
        return mel

    def _check(self, samples: Tensor) -> None:
        shortest = self.config.n_fft // 2 + 1
        if len(samples) < shortest:
            raise DataError(
                f"{len(samples)} samples at {self.config.sample_rate} Hz are too short for features; "
                f"at least {shortest} are needed, leave the utterance out"
            )
        if not torch.isfinite(samples).all():
            raise DataError("NaN or infinite samples; the audio is damaged, fetch or record it again")
        if samples[0] != 0 and (samples == samples[0]).all():
            raise DataError("every sample has the same value; the recording has no sound, leave it out")
