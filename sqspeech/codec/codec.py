"""A trained model as a codec: speech to units, and units with a speaker to speech."""

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.chunked_log_mel import Level
from sqspeech.codec.encoder import ChunkedEncoder
from sqspeech.codec.inputs import AnyAudio, samples_of
from sqspeech.codec.level import recording_statistics
from sqspeech.codec.prosody import PitchRule
from sqspeech.codec.rules import check_units
from sqspeech.codec.smoothing import check_smoothing
from sqspeech.codec.speakers import find_speaker
from sqspeech.codec.stream import UnitStream
from sqspeech.codec.synthesis import Synthesizer
from sqspeech.codec.units import Matrix, Precision, UnitInfo, Units
from sqspeech.codec.vocoder_choice import VocoderChoice
from sqspeech.errors import ConfigError
from sqspeech.hub import CHECKPOINT, download
from sqspeech.pitch import Excitation
from sqspeech.vocoders import Vocoder

type Samples = NDArray[np.float32]


class Codec:
    """Speech to units and back, for recordings of any length; threads may share it.

    >>> codec = Codec.load("exp/best.ckpt")
    >>> units = codec.encode("talk.wav")
    >>> units.codes
    array([17, 17, 203, ...])
    >>> samples, rate = codec.decode(units, "p226")
    >>> samples, rate = codec.convert("talk.wav", to="p226", pitch="+4")

    Parameters
    ----------
    trained
        The model.
    precision
        Of the encoder. In bfloat16 it is faster on some machines, and codes then depend on rounding.
    smooth
        Of `encode`: the price of a change of code in nats (see `sqspeech.codec.smoothing`); 0 smooths nothing.
    vocoder
        The one that is used where no other is named. When None it is, for conversion and for decoding with a pitch, the
        model's own or else WORLD, and for decoding without a pitch one that needs none.

    Attributes
    ----------
    encoder, synthesizer
        The two halves, on recordings of any length and for several speakers at once.
    vocoders
        The choice of a vocoder.
    """

    def __init__(
        self,
        trained: TrainedModel,
        precision: Precision = "float32",
        vocoder: Vocoder | str | None = None,
        smooth: float = 0.0,
    ) -> None:
        check_smoothing(trained, smooth)
        self.trained, self.precision, self.smooth = trained, precision, smooth
        self.encoder = ChunkedEncoder(trained, precision)
        self.synthesizer = Synthesizer(trained, self.encoder)
        self.vocoders = VocoderChoice(trained, vocoder)

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
        stages: int | None = None,
        smooth: float = 0.0,
    ) -> "Codec":
        """Load the codec of a checkpoint, with its first `stages` alone if given; see `Codec` on `smooth`.

        Raises
        ------
        CheckpointError
            See `sqspeech.checkpoint.read_checkpoint`.
        ConfigError
            The model has fewer stages, or its units cannot be smoothed.
        """
        return cls(TrainedModel.load(path, device, stages), precision, smooth=smooth)

    @classmethod
    def from_pretrained(
        cls,
        repo_id: str,
        revision: str | None = None,
        filename: str = CHECKPOINT,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
        stages: int | None = None,
        smooth: float = 0.0,
    ) -> "Codec":
        """Load the codec of a repository of the Hugging Face Hub, which is downloaded once (extra `hub`).

        Parameters
        ----------
        repo_id
            USER/NAME.
        revision
            A branch, tag or commit; the newest of the branch `main` when None.
        filename
            Of the checkpoint in the repository.
        device, precision, stages, smooth
            See `load`.

        Raises
        ------
        HubError
            See `sqspeech.hub.download`.
        CheckpointError, ConfigError
            See `load`.
        """
        return cls.load(download(repo_id, revision, filename), device, precision, stages, smooth)

    @property
    def sample_rate(self) -> int:
        """The model's rate in Hz."""
        return self.trained.config.features.sample_rate

    @property
    def speakers(self) -> list[str]:
        """The names of the speakers that it decodes for."""
        return list(self.trained.speakers)

    @cached_property
    def info(self) -> UnitInfo:
        """Timing and origin of its units; raises ConfigError where the model has no codebook."""
        return UnitInfo.of(self.trained, precision=self.precision, smooth=self.smooth)

    def encode(
        self,
        audio: AnyAudio,
        sample_rate: int | None = None,
        *,
        matrices: Collection[Matrix] = (),
        level: Level | None = None,
        toward: str | None = None,
    ) -> Units:
        """Return the units of a recording.

        At the model's rate, N samples have T = 1 + N // hop_length frames, of which the geometry of the
        encoder makes units; `Units.info` gives the span of time that each describes.

        Parameters
        ----------
        audio
            The path of a recording, or its samples: float, mono, shape (N,), full scale is [-1, 1].
        sample_rate
            Of samples, in Hz; the model's when None.
        matrices
            What is wanted beside the codes: see `Units`.
        level
            To be taken for the recording's own (see `level`).
        toward
            The speaker for whom the units will be decoded: the means of the bands are moved to the speaker's,
            as `convert` moves them.

        Raises
        ------
        DataError
            The recording cannot be read, or the samples have no features (see `LogMel`) or too few frames for a unit.
        ConfigError
            The model has no codebook, or its quantiser no posteriors.
        """
        samples = samples_of(audio, sample_rate, self.sample_rate)
        return self.encode_many([samples], matrices=matrices, level=level, toward=toward)[0]

    def encode_many(
        self,
        recordings: Sequence[Samples],
        *,
        matrices: Collection[Matrix] = (),
        level: Level | None = None,
        toward: str | None = None,
    ) -> list[Units]:
        """Return the units of samples at the model's rate, computed together; see `encode`."""
        info, hop = self.info, self.trained.config.features.hop_length
        measured = [self.encoder.measured(samples, level) for samples in recordings]
        spans = [(0, self.encoder.count(recording)) for recording in measured]
        moved = measured
        if toward is not None:
            speaker = find_speaker(self.trained, toward)
            moved = [self.synthesizer.toward(recording, speaker) for recording in measured]
        found = self.encoder.encode(moved, spans, matrices, self.smooth)
        with torch.inference_mode():
            statistics = [
                recording_statistics(samples, recording, hop)
                for samples, recording in zip(recordings, measured, strict=True)
            ]
        return [units.with_origin(info, of) for units, of in zip(found, statistics, strict=True)]

    def check_matrices(self, matrices: Collection[Matrix]) -> None:
        """Raise ConfigError where the model has no codebook, or not these matrices: a baseline has no posteriors."""
        _, quantizer, device = self.info, self.trained.model.quantizer, self.trained.device
        if "posteriors" in matrices or self.smooth:
            widths = quantizer.dim, quantizer.extra_channels
            quantizer.posterior(*(torch.zeros(1, 1, width, device=device) for width in widths))

    def level(self, audio: AnyAudio, sample_rate: int | None = None) -> Level:
        """Return what the log-mel of a recording is relative to; raises DataError (see `encode`)."""
        return self.encoder.measured(samples_of(audio, sample_rate, self.sample_rate)).level

    def stream(self, level: Level, sample_rate: int | None = None, *, matrices: Collection[Matrix] = ()) -> UnitStream:
        """Return a stream that takes samples and yields units.

        They are those that `encode` gives for all samples together at the same level; at another rate than the
        model's, as far as resampling in parts is resampling the whole.

        Parameters
        ----------
        level
            What the log-mel is relative to, which a whole recording tells by itself: `level` of a recording that was
            made in the same way.
        sample_rate
            In Hz; the model's when None.
        matrices
            See `encode`.

        Raises
        ------
        ConfigError
            The units of this codec are smoothed.
        """
        if self.smooth:
            raise ConfigError("smooth: a whole recording is needed, and a stream has none; take a codec without it")
        return UnitStream(self.encoder, self.info, level, sample_rate, matrices)

    def decode(
        self,
        units: Units | NDArray[np.integer] | Tensor,
        speaker: str,
        *,
        pitch: Excitation | None = None,
        vocoder: Vocoder | str | None = None,
    ) -> tuple[Samples, int]:
        """Return the speech of units.

        Parameters
        ----------
        units
            Those of this codec, one a step; or their codes, shape (L,).
        speaker
            A speaker of the model, or a mixture such as `p225:0.5,p226:0.5`.
        pitch
            The excitation of the T frames, for a vocoder that needs it (see `sqspeech.pitch`).
        vocoder
            By name or ready made; one that needs no pitch when None, unless there is one.

        Returns
        -------
        samples
            Shape (N,), float32, within [-1, 1]: with the length, level and variance over time of the recording where
            the units have its statistics.
        sample_rate
            The model's rate in Hz.

        Raises
        ------
        DataError
            The units are another model's, not of its codebook, or deduplicated without durations; the speaker is
            unknown; or the vocoder needs a pitch, and there is none.
        """
        known, target = check_units(units, self.trained), find_speaker(self.trained, speaker)
        return self.synthesizer.decode(known, target, self.vocoders.for_units(vocoder, pitch), pitch), self.sample_rate

    def convert(
        self,
        audio: AnyAudio,
        sample_rate: int | None = None,
        *,
        to: str,
        pitch: PitchRule | str = "target",
        source: str | None = None,
        vocoder: Vocoder | str | None = None,
        coded: bool = False,
    ) -> tuple[Samples, int]:
        """Return a recording converted to a speaker, with its timing, length and loudness (RMS) kept.

        Parameters
        ----------
        audio, sample_rate
            See `encode`.
        to
            A speaker of the model, or a mixture such as `p225:0.5,p226:0.5`.
        pitch
            With a vocoder that needs it: `target` moves it to the target's where that is known, `keep` leaves it, `+4`
            and `-2.5` shift it by semitones.
        source
            The speaker of the recording where the model knows it: its pitch is then that of all its training speech,
            and otherwise that of this recording.
        vocoder
            By name or ready made; when None the model's own, or WORLD where it has none.
        coded
            Decode the codes alone, of a model too whose conversion decodes more than they tell (`quantizer.soft`).

        Returns
        -------
        samples
            Shape (ceil(N · rate / sample_rate),), float32, within [-1, 1].
        sample_rate
            The model's rate in Hz.

        Raises
        ------
        DataError
            A speaker is unknown, `pitch` is none of these, or the recording has no features (see `encode`).
        """
        rule, target = PitchRule.parse(pitch), find_speaker(self.trained, to)
        samples = samples_of(audio, sample_rate, self.sample_rate)
        out = np.zeros(len(samples), np.float32)
        self.synthesizer.convert(
            [out], samples, [target], self.vocoders.for_speech(vocoder), pitch=rule, source=source, coded=coded
        )
        return out, self.sample_rate

    def copy(self, samples: Samples, vocoder: Vocoder | str | None = None) -> Samples:
        """Return what the vocoder alone makes of samples at the model's rate: their own log-mel and pitch.

        WORLD refined when None, unless there is one: the best copy, though not the best of what a model decodes.
        """
        return self.synthesizer.copy(samples, self.vocoders.for_copies(vocoder))
