"""Samples in another speaker's voice."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.chunked_log_mel import ChunkedLogMel
from sqspeech.conversion.global_variance import Moments, Restorer
from sqspeech.conversion.pieces import Piece, cut, place
from sqspeech.conversion.voices import Voice, find_voice
from sqspeech.errors import DataError
from sqspeech.pitch import (
    Excitation,
    SpeakerPitch,
    aperiodicity,
    f0_range,
    move_f0,
    quick_f0,
    shift_f0,
    speaker_pitch,
    track_f0,
)
from sqspeech.quantizers.precision import full_precision
from sqspeech.vocoders import Vocoder, VocoderName, build_vocoder
from sqspeech.vocoders.world import World

type Samples = NDArray[np.float32]
type F0 = NDArray[np.float64]

# Of each piece, the log-mel in each voice; it can be gone through twice.
type Spoken = Callable[[], Iterable[Iterable[Tensor]]]

# Blocks in which a long recording is gone through.
BLOCK = 2**20
PEAK = 0.999
# Frames, in all voices together, that are kept between their two uses (finding the variance, and being spoken): ten
# minutes. Those of longer recordings are decoded twice.
KEPT = 60_000
# Voices that are decoded at once: more hardly gain time, and take memory.
VOICES = 8


class Converter:
    """Recordings to recordings in other voices, of any length; threads may share it.

    >>> converter = Converter.load("exp/best.ckpt")
    >>> samples, rate = soundfile.read("talk.wav", dtype="float32")
    >>> converted, rate = converter.convert(samples, rate, to="p226")

    Parameters
    ----------
    trained
        The model.
    vocoder
        What makes samples of its log-mel; WORLD when None.
    """

    def __init__(self, trained: TrainedModel, vocoder: Vocoder | None = None) -> None:
        self.trained = trained
        self.vocoder: Vocoder = vocoder or World(trained.config.features)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu", vocoder: VocoderName = "world") -> "Converter":
        """Load the converter of a checkpoint; raises CheckpointError."""
        trained = TrainedModel.load(path, device)
        return cls(trained, build_vocoder(vocoder, trained.config.features))

    @property
    def sample_rate(self) -> int:
        """The rate of what `convert` returns, in Hz."""
        return self.trained.config.features.sample_rate

    def convert(
        self,
        samples: Float[np.ndarray, " N"],
        sample_rate: int,
        *,
        to: str,
        pitch: str = "target",
        source: str | None = None,
    ) -> tuple[Samples, int]:
        """Return the recording in the voice `to`, with its timing, length and loudness (RMS) kept.

        Parameters
        ----------
        samples
            float32, mono, full scale is [-1, 1].
        sample_rate
            In Hz.
        to
            A speaker of the model, or a mixture such as `p225:0.5,p226:0.5`.
        pitch
            With a vocoder that is given the pitch: `target` moves it to the target's where that is known, `keep`
            leaves it, `+4` and `-2.5` shift it by semitones.
        source
            The speaker of the recording where the model knows it: its pitch is then that of all its training speech,
            and otherwise that of this recording.

        Returns
        -------
        samples
            Shape (ceil(N · rate / sample_rate),), float32, within [-1, 1].
        sample_rate
            The model's rate in Hz.

        Raises
        ------
        DataError
            A speaker is unknown, `pitch` is none of these, or the samples have no features (see `LogMel`).
        """
        if sample_rate != self.sample_rate:
            samples = audio.resample(samples, sample_rate, self.sample_rate)
        out = np.zeros(len(samples), np.float32)
        self.convert_into([out], samples, [find_voice(self.trained, to)], pitch=pitch, source=source)
        return out, self.sample_rate

    def copy(self, samples: Float[np.ndarray, " N"]) -> Samples:
        """Return what the vocoder alone makes of samples at the model's rate: their own log-mel and pitch."""
        out = np.zeros(len(samples), np.float32)
        self.convert_into([out], samples, None, pitch="keep")
        return out

    @torch.inference_mode()
    def convert_into(
        self,
        outs: Sequence[Samples],
        samples: Samples,
        voices: Sequence[Voice] | None,
        *,
        pitch: str = "target",
        source: str | None = None,
        advance: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Convert samples at the model's rate to voices; see `convert`, and `copy` where `voices` is None.

        Each of `outs` has the shape of the samples and takes what the voice of the same place says. The recording is
        analysed once for all of them. All arrays may be mapped from files: beside them, the memory that is taken hardly
        grows with the length. `advance` is told of each piece that is done in a voice how long it was.
        """
        config = self.trained.config
        # First of all, because it refuses what has no features.
        recording = ChunkedLogMel(self.trained.log_mel, samples, with_mean=config.encoder.normalize)
        # Pieces begin at a code's first frame, so that they have the codes of the whole.
        pieces = cut(samples, self.sample_rate, 2 * config.features.hop_length)
        excitations = self._excitations(samples, pieces, voices, pitch, source)
        spoken = self._spoken(recording, pieces, voices)
        restorers = self._restorers(recording, pieces, voices, spoken)
        for piece, own, in_voices in zip(pieces, excitations, spoken(), strict=True):
            for out, said, restore, excitation in zip(outs, in_voices, restorers, own, strict=True):
                place(piece, self._speak(restore(said), excitation, piece), out, self.sample_rate)
                advance((piece.end - piece.start) / self.sample_rate)
        for out in outs:
            _match_loudness(out, samples)

    def _mel(self, recording: ChunkedLogMel, piece: Piece) -> Float[Tensor, "T M"]:
        hop = self.trained.config.features.hop_length
        return recording.mel(piece.first // hop, piece.last // hop + 1)

    def _say(
        self, recording: ChunkedLogMel, piece: Piece, voices: Sequence[Voice] | None
    ) -> Iterator[Float[Tensor, "T M"]]:
        """Yield the log-mel of a piece in each voice."""
        mel = self._mel(recording, piece)
        if voices is None:
            yield mel
            return
        if len(mel) < 4:
            raise DataError(f"{len(mel)} frames are too short for one code; at least 4 are needed")
        model = self.trained.model
        mean = torch.tensor(recording.level.mean, device=mel.device)[None, None] if recording.level.mean else None
        with full_precision(mel.device):
            z = model.quantize(mel.unsqueeze(0), mean=mean).z
        for some in batched(voices, VOICES):
            embeddings = torch.cat([voice.embedding for voice in some])
            with full_precision(mel.device):
                converted = model.decoder.decode(z.expand(len(some), -1, -1), embeddings)
            # The codes describe neither the first frame nor the last one or two: their neighbours stand for them.
            missing = len(mel) - converted.shape[1] - 1
            yield from functional.pad(converted.mT, (1, missing), mode="replicate").mT

    def _spoken(self, recording: ChunkedLogMel, pieces: list[Piece], voices: Sequence[Voice] | None) -> Spoken:
        def say() -> Iterator[Iterator[Tensor]]:
            return (self._say(recording, piece, voices) for piece in pieces)

        if recording.total * (len(voices) if voices else 1) > KEPT:
            return say
        kept = [list(in_voices) for in_voices in say()]
        return lambda: kept

    def _restorers(
        self, recording: ChunkedLogMel, pieces: list[Piece], voices: Sequence[Voice] | None, said: Spoken
    ) -> Sequence[Callable[[Tensor], Tensor]]:
        """Return what gives each voice's log-mel the variance that the source has over the whole recording."""
        if voices is None:
            return [lambda mel: mel]
        hop = self.trained.config.features.hop_length
        spoken, decoded = Moments(), [Moments() for _ in voices]
        for piece, in_voices in zip(pieces, said(), strict=True):
            own = slice((piece.start - piece.first) // hop, (piece.end - piece.first) // hop)
            spoken.add(self._mel(recording, piece)[own])
            for moments, mel in zip(decoded, in_voices, strict=True):
                moments.add(mel[own])
        return [Restorer(spoken, moments) for moments in decoded]

    def _excitations(
        self, samples: Samples, pieces: list[Piece], voices: Sequence[Voice] | None, pitch: str, source: str | None
    ) -> Iterator[list[Excitation | None]]:
        """Yield, for each piece, that of each voice."""
        move, speakers = _mover(pitch), voices if voices is not None else (None,)
        if not self.vocoder.needs_excitation:
            return ([None] * len(speakers) for _ in pieces)
        rate, hop = self.sample_rate, self.trained.config.features.hop_length
        quick = [quick_f0(samples[piece.converted], rate, hop) for piece in pieces]
        limits = f0_range(np.concatenate(quick))
        own = self.trained.pitch.get(source or "") or speaker_pitch(quick)

        def excitations(part: Samples) -> list[Excitation | None]:
            f0 = track_f0(part, rate, hop, limits)
            noise = aperiodicity(part, f0, rate, hop)
            return [Excitation(f0=move(f0, own, voice), aperiodicity=noise) for voice in speakers]

        return (excitations(samples[piece.converted]) for piece in pieces)

    def _speak(self, mel: Tensor, excitation: Excitation | None, piece: Piece) -> Samples:
        spoken: Samples = self.vocoder(mel, excitation).cpu().numpy()
        length = piece.last - piece.first
        return np.pad(spoken[:length], (0, max(0, length - len(spoken))))


def _mover(pitch: str) -> Callable[[F0, SpeakerPitch | None, Voice | None], F0]:
    """Return what `pitch` asks for: source F0, the source's statistics and the target to F0."""
    if pitch == "keep":
        return lambda f0, source, voice: f0
    if pitch == "target":
        return _to_target
    if re.fullmatch(r"[+-]\d+(\.\d+)?", pitch):
        return lambda f0, source, voice: shift_f0(f0, float(pitch))
    raise DataError(f"pitch {pitch}: expected target, keep, or semitones with their sign, such as +4 or -2.5")


def _to_target(f0: F0, source: SpeakerPitch | None, voice: Voice | None) -> F0:
    # A source without voiced speech has nothing to move, and a target without it says not where to.
    return move_f0(f0, source, voice.pitch) if source and voice and voice.pitch else f0


def _match_loudness(samples: Samples, source: Samples) -> None:
    """Give samples the RMS of the source, its offset left out, or less where they would clip."""
    own, wanted = _power(samples), _power(source)
    if own > 0:
        peak = max(float(np.abs(block).max()) for block in _blocks(samples))
        gain = np.float32(min((wanted / own) ** 0.5, PEAK / peak))
        for block in _blocks(samples):
            block *= gain


def _power(samples: Samples) -> float:
    """Return the mean of the squares about the mean."""
    mean = sum(float(block.sum(dtype=np.float64)) for block in _blocks(samples)) / len(samples)
    return sum(float(np.square(block - mean, dtype=np.float64).sum()) for block in _blocks(samples)) / len(samples)


def _blocks(samples: Samples) -> Iterator[Samples]:
    return (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
