"""Quantised latents to log-mel for any number of speakers, piece by piece."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import batched

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec.global_variance import Moments, Restorer
from sqspeech.codec.pieces import Piece
from sqspeech.codec.speakers import TargetSpeaker
from sqspeech.quantizers.precision import full_precision

# From a range of units to their quantised latents, (1, L, D).
type Latents = Callable[[int, int], Tensor]
# Of each piece, the log-mel for each speaker; it can be gone through twice.
type Mels = Callable[[], Iterable[Iterable[Tensor]]]

# Frames, for all speakers together, that are kept between their two uses (finding the variance, and being vocoded):
# ten minutes. Those of longer recordings are decoded twice.
KEPT = 60_000
# Speakers that are decoded at once: more hardly gain time, and take memory.
SPEAKERS = 8


class ChunkedDecoder:
    """The decoder on utterances of any length; threads may share it.

    Parameters
    ----------
    trained
        The model.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.trained.config.features.hop_length

    def mels(self, latents: Sequence[Latents], pieces: Sequence[Piece], speakers: Sequence[TargetSpeaker]) -> Mels:
        """Return the log-mel of each piece for each speaker, from the latents of the same place."""

        def decode() -> Iterator[Iterator[Tensor]]:
            return (self._decode(latents, piece, speakers) for piece in pieces)

        if (1 + pieces[-1].end // self.hop_length) * len(speakers) > KEPT:
            return decode
        kept = [list(of_speakers) for of_speakers in decode()]
        return lambda: kept

    def restorers(self, mels: Mels, pieces: Sequence[Piece], count: int, wanted: Float[Tensor, " C"]) -> list[Restorer]:
        """Return what gives the log-mel for each of `count` speakers the wanted deviation of its cepstrum over time."""
        decoded = [Moments() for _ in range(count)]
        for piece, of_speakers in zip(pieces, mels(), strict=True):
            for moments, mel in zip(decoded, of_speakers, strict=True):
                moments.add(mel[piece.own_frames(self.hop_length)])
        return [Restorer(wanted, moments) for moments in decoded]

    def _decode(
        self, latents: Sequence[Latents], piece: Piece, speakers: Sequence[TargetSpeaker]
    ) -> Iterator[Float[Tensor, "T M"]]:
        model, frames = self.trained.model, piece.frames(self.hop_length)
        count = frames.stop - frames.start
        # Pieces begin at a unit's first frame, so that they have the units of the whole.
        first = frames.start // model.geometry.stride
        units = first, first + model.geometry.check(count)
        # Speakers may share theirs, which are then not made again.
        found = {id(own): own(*units) for own in dict(zip(map(id, latents), latents, strict=True)).values()}
        for some in batched(zip(latents, speakers, strict=True), SPEAKERS):
            z = torch.cat([found[id(own)] for own, _ in some])
            with full_precision(z.device):
                decoded = model.decoder.decode(z, torch.cat([speaker.embedding for _, speaker in some]))
            # No unit describes the first frames and the last ones: their neighbours stand for them.
            edges = model.geometry.left, count - decoded.shape[1] - model.geometry.left
            yield from functional.pad(decoded.mT, edges, mode="replicate").mT
