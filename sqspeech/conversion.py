"""A recording in another speaker's voice."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sqspeech import audio
from sqspeech.atomic import write_text
from sqspeech.checkpoint import TrainedModel
from sqspeech.data.data_dir import Utterance
from sqspeech.failures import Failures
from sqspeech.progress import track
from sqspeech.vocoders.griffin_lim import GriffinLim

MANIFEST_COLUMNS = ["utt_id", "speaker", "source", "start", "end", "target", "output"]


class Converter:
    """Source samples and a target speaker to samples in the target's voice.

    Parameters
    ----------
    trained
        The model.
    vocoder
        Log-mel (T, M) to samples (N,) at the model's sample rate; Griffin-Lim when None.
    """

    def __init__(self, trained: TrainedModel, vocoder: Callable[[Tensor], Tensor] | None = None) -> None:
        self.trained = trained
        self.vocoder = vocoder or GriffinLim(trained.config.features)

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> "Converter":
        """Load the converter of a checkpoint; raises CheckpointError."""
        return cls(TrainedModel.load(path, device))

    @property
    def sample_rate(self) -> int:
        """The rate of what `convert` returns, in Hz."""
        return self.trained.config.features.sample_rate

    @torch.inference_mode()
    def convert(self, samples: NDArray[np.float32], sample_rate: int, *, to: str) -> tuple[NDArray[np.float32], int]:
        """Return the recording in the voice of speaker `to`, with its length and loudness (RMS) kept.

        Parameters
        ----------
        samples
            Shape (N,), mono, full scale is [-1, 1].
        sample_rate
            In Hz.
        to
            A speaker of the model.

        Returns
        -------
        samples
            Shape (N · rate / sample_rate,), within [-1, 1].
        sample_rate
            The model's rate in Hz.

        Raises
        ------
        DataError
            The speaker is unknown, or the samples have no features (see `LogMel`).
        """
        if sample_rate != self.sample_rate:
            samples = audio.resample(samples, sample_rate, self.sample_rate)
        mel = self._convert_mel(self.trained.features(samples), self.trained.speaker_index(to))
        voiced: NDArray[np.float32] = self.vocoder(mel).cpu().numpy()
        return _same_loudness(_same_length(voiced, len(samples)), samples), self.sample_rate

    def _convert_mel(self, mel: Float[Tensor, "1 T M"], speaker: Tensor) -> Float[Tensor, "T M"]:
        converted = self.trained.model.reconstruct(mel, speaker)
        # The codes describe neither the first frame nor the last one or two: their neighbours stand for them.
        missing = mel.shape[1] - converted.shape[1] - 1
        return functional.pad(converted.transpose(1, 2), (1, missing), mode="replicate")[0].T


def _same_length(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _same_loudness(samples: NDArray[np.float32], source: NDArray[np.float32]) -> NDArray[np.float32]:
    rms, peak = np.sqrt(np.mean(samples**2)), np.abs(samples).max(initial=0.0)
    if peak == 0:
        return samples
    gain = min(float(np.sqrt(np.mean(source**2)) / rms), 0.999 / float(peak))
    return samples * np.float32(gain)


def convert_all(
    converter: Converter, utterances: Sequence[Utterance], targets: Sequence[str], output: Path
) -> tuple[int, Failures]:
    """Convert each utterance to each target and list the results in `output`/manifest.tsv.

    The target `source` is the utterance's own speaker: the reconstruction.

    Returns
    -------
    count
        How many recordings were written, as <utt_id>-to-<target>.wav.
    failures
        The utterances that could not be converted.

    Raises
    ------
    DataError
        The model does not know a target.
    """
    for target in targets:
        if target != "source":
            converter.trained.speaker_index(target)
    failures, rows = Failures(), []
    for utterance in track(utterances, "converting", len(utterances)):
        with failures.skipping(utterance.utt_id):
            samples = utterance.read(converter.sample_rate)
            for target in targets:
                speaker = utterance.spk_id if target == "source" else target
                converted, rate = converter.convert(samples, converter.sample_rate, to=speaker)
                name = f"{utterance.utt_id}-to-{target}.wav"
                audio.write(output / name, converted, rate)
                source = [utterance.path.absolute(), utterance.start, utterance.end]
                rows.append([utterance.utt_id, utterance.spk_id, *source, target, name])
    if rows:
        write_text(output / "manifest.tsv", _manifest(rows))
    return len(rows), failures


def _manifest(rows: Sequence[Sequence[object]]) -> str:
    lines = [MANIFEST_COLUMNS, *(["" if value is None else str(value) for value in row] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)
