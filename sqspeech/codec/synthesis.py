"""Log-mel to speech: pieces, prosody, variance and level, round any vocoder."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.chunked_log_mel import ChunkedLogMel
from sqspeech.codec.decoder import ChunkedDecoder, Latents, Mels
from sqspeech.codec.encoder import ChunkedEncoder
from sqspeech.codec.level import USUAL_POWER, match_power, recording_statistics
from sqspeech.codec.pieces import Piece, cut, place
from sqspeech.codec.prosody import KEEP, PitchRule, excitations
from sqspeech.codec.speakers import TargetSpeaker
from sqspeech.codec.units import Units
from sqspeech.errors import DataError
from sqspeech.pitch import Excitation, SpeakerPitch
from sqspeech.vocoders import Vocoder

type Samples = NDArray[np.float32]

# What finding the limits of a recording's F0, which comes first, takes of a conversion's time: 0.2 with WORLD, 0.4 with
# a vocoder of 1.7 million weights.
SEARCHING = 0.3


class Synthesizer:
    """Speech of units and of recordings, for speakers of a model; threads may share it.

    Parameters
    ----------
    trained
        The model.
    encoder
        Of recordings.
    """

    def __init__(self, trained: TrainedModel, encoder: ChunkedEncoder) -> None:
        self.trained, self.encoder, self.decoder = trained, encoder, ChunkedDecoder(trained)
        self.sample_rate, self.hop_length = trained.config.features.sample_rate, trained.config.features.hop_length

    @torch.inference_mode()
    def decode(
        self, units: Units, speaker: TargetSpeaker, vocoder: Vocoder, pitch: Excitation | None = None
    ) -> Samples:
        """Return the speech of units that keep the rules; see `Codec.decode`."""
        statistics, hop, geometry = units.recording, self.hop_length, self.trained.model.geometry
        length = statistics.n_samples if statistics else (geometry.frames(len(units)) - 1) * hop
        if pitch is not None and len(pitch.f0) != 1 + length // hop:
            raise DataError(
                f"a pitch of {len(pitch.f0)} frames for units of {1 + length // hop}; give one value a frame"
            )
        pieces, out = cut(length, self.sample_rate, geometry.stride * hop), np.zeros(length, np.float32)
        own = None if pitch is None else ([pitch.part(piece.frames(hop))] for piece in pieces)
        mels = self.decoder.mels([self._lookup(units)], pieces, [speaker])
        restorers = self._restorers(mels, pieces, 1, statistics.cepstrum_std if statistics else None)
        self._vocode([out], mels, pieces, own, restorers, vocoder)
        match_power(out, statistics.power if statistics else USUAL_POWER)
        return out

    @torch.inference_mode()
    def convert(
        self,
        outs: Sequence[Samples],
        samples: Samples,
        speakers: Sequence[TargetSpeaker],
        vocoder: Vocoder,
        *,
        pitch: PitchRule,
        source: str | None = None,
        latents: Latents | None = None,
        coded: bool = False,
        advance: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Convert samples at the model's rate to speakers; see `Codec.convert`.

        Each of `outs` has the shape of the samples and takes the result for the speaker of the same place. Level, pitch
        and aperiodicity of the recording are analysed once for all of them. All arrays may be mapped from files: beside
        them, the memory that is taken hardly grows with the length. `latents` are decoded in place of the recording's
        own; with `coded` these are the codewords, whatever the model otherwise decodes. `advance` is given what is done
        in seconds, which are those of the recording for each speaker in the end.
        """
        recording, pieces = self._measure(samples)
        statistics = recording_statistics(samples, recording, self.hop_length)
        searching = len(speakers) * SEARCHING if vocoder.needs_excitation else 0.0
        known = self.trained.pitch.get(source or "")
        own = self._excitations(
            samples, pieces, speakers, pitch, known, vocoder, lambda seconds: advance(searching * seconds)
        )
        of_speakers = (
            [latents] * len(speakers) if latents else self._latents_toward(recording, speakers, source, coded=coded)
        )
        mels = self.decoder.mels(of_speakers, pieces, speakers)
        restorers = self._restorers(mels, pieces, len(speakers), statistics.cepstrum_std)
        rest = 1 - searching / len(speakers)
        self._vocode(outs, mels, pieces, own, restorers, vocoder, lambda seconds: advance(rest * seconds))
        for out in outs:
            match_power(out, statistics.power)

    @torch.inference_mode()
    def copy(self, samples: Samples, vocoder: Vocoder) -> Samples:
        """Return what the vocoder alone makes of samples at the model's rate: their own log-mel and pitch."""
        recording, pieces = self._measure(samples)
        frames, out = [piece.frames(self.hop_length) for piece in pieces], np.zeros(len(samples), np.float32)

        def mels() -> Iterable[Iterable[Tensor]]:
            return ([recording.mel(of_piece.start, of_piece.stop)] for of_piece in frames)

        own = self._excitations(samples, pieces, [None], KEEP, None, vocoder)
        self._vocode([out], mels, pieces, own, [lambda mel: mel], vocoder)
        match_power(out, recording_statistics(samples, recording, self.hop_length).power)
        return out

    @torch.inference_mode()
    def log_mel(self, samples: Samples, speaker: TargetSpeaker) -> Float[Tensor, "T M"]:
        """Return the log-mel that converting samples at the model's rate to a speaker gives the vocoder."""
        recording, pieces = self._measure(samples)
        statistics = recording_statistics(samples, recording, self.hop_length)
        mels = self.decoder.mels([self.latents(recording)], pieces, [speaker])
        (restore,) = self._restorers(mels, pieces, 1, statistics.cepstrum_std)
        parts, count = list[Tensor](), 1 + len(samples) // self.hop_length
        for piece, (mel,) in zip(pieces, mels(), strict=True):
            own = piece.own_frames(self.hop_length)
            # A frame at the very end is no piece's own.
            parts.append(restore(mel)[own.start : None if piece is pieces[-1] else own.stop])
        return torch.cat(parts)[:count]

    def _measure(self, samples: Samples) -> tuple[ChunkedLogMel, list[Piece]]:
        # First of all, because it refuses what has no features.
        recording = self.encoder.measured(samples)
        unit = self.trained.model.geometry.stride * self.hop_length
        return recording, cut(len(samples), self.sample_rate, unit, samples)

    def toward(self, recording: ChunkedLogMel, speaker: TargetSpeaker) -> ChunkedLogMel:
        """Return the recording with the means of its bands moved to the speaker's, where those are known.

        What the units of another voice still hold of it then agrees with the speaker for whom they are decoded. An
        encoder that takes the means away has no use for it.
        """
        if speaker.bands is None or self.trained.model.encoder.normalize:
            return recording
        return recording.moved(speaker.bands)

    def _latents_toward(
        self, recording: ChunkedLogMel, speakers: Sequence[TargetSpeaker], source: str | None, *, coded: bool
    ) -> list[Latents]:
        """Return the latents of a recording for each speaker; its own speaker has those of the recording as it is."""
        moved = [recording if speaker.name == source else self.toward(recording, speaker) for speaker in speakers]
        found = {id(one): self.latents(one, coded=coded) for one in {id(one): one for one in moved}.values()}
        return [found[id(one)] for one in moved]

    def latents(self, recording: ChunkedLogMel, *, coded: bool = False) -> Latents:
        """Return what gives the latents that are decoded of any range of a recording's units.

        They are the codewords, unless the quantiser is soft and no codes are asked for, or there is no codebook.
        """
        count, quantizer = self.encoder.count(recording), self.trained.model.quantizer
        if quantizer.codebook_size is None or (quantizer.soft and not coded):
            return lambda first, last: self.encoder.latents(recording, first, last)
        return self._lookup(self.encoder.encode([recording], [(0, count)])[0])

    def _lookup(self, units: Units) -> Latents:
        quantizer, codes = self.trained.model.quantizer, torch.from_numpy(units.codes).to(self.trained.device)
        return lambda first, last: quantizer.lookup(codes[first:last])[None]

    def _restorers(
        self, mels: Mels, pieces: Sequence[Piece], count: int, wanted: Sequence[float] | None
    ) -> Sequence[Callable[[Tensor], Tensor]]:
        if wanted is None:
            return [lambda mel: mel] * count
        return self.decoder.restorers(mels, pieces, count, torch.tensor(wanted, dtype=torch.float64))

    def _excitations(
        self,
        samples: Samples,
        pieces: Sequence[Piece],
        speakers: Sequence[TargetSpeaker | None],
        rule: PitchRule,
        known: SpeakerPitch | None,
        vocoder: Vocoder,
        advance: Callable[[float], None] = lambda seconds: None,
    ) -> Iterator[list[Excitation]] | None:
        if not vocoder.needs_excitation:
            return None
        rate, hop = self.sample_rate, self.hop_length
        return excitations(samples, pieces, speakers, rule, known, sample_rate=rate, hop_length=hop, advance=advance)

    def _vocode(
        self,
        outs: Sequence[Samples],
        mels: Mels,
        pieces: Sequence[Piece],
        own: Iterable[Sequence[Excitation | None]] | None,
        restorers: Sequence[Callable[[Tensor], Tensor]],
        vocoder: Vocoder,
        advance: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Write the speech of log-mels into `outs`, piece by piece."""
        without: Iterable[Sequence[Excitation | None]] = [[None] * len(outs)] * len(pieces)
        for piece, of_speakers, given in zip(pieces, mels(), own or without, strict=True):
            for out, mel, restore, excitation in zip(outs, of_speakers, restorers, given, strict=True):
                samples: Samples = vocoder(restore(mel), excitation).cpu().numpy()
                length = piece.last - piece.first
                padded = np.pad(samples[:length], (0, max(0, length - len(samples))))
                place(piece, padded, out, self.sample_rate)
                advance(piece.seconds(self.sample_rate))
