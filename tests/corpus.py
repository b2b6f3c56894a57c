"""A tiny corpus that sounds roughly like voices, for tests of whole commands."""

from pathlib import Path

import numpy as np
import soundfile

from sqspeech.data.data_dir import DataDir, Utterance

SPEAKERS = {"f1": 210.0, "f2": 180.0, "m1": 120.0, "m2": 95.0}
CONFIG = """
encoder: {width: 16}
quantizer: {codebook_size: 8, codebook_dim: 4}
decoder: {width: 8, speaker_dim: 4}
crops: {batch_size: 4, frames: 16}
training: {steps: 6, log_every: 2, validate_every: 3}
"""


def voice(f0: float, sentence: int, seconds: float = 0.8, rate: int = 16000) -> np.ndarray:
    """Harmonics of a gliding pitch under moving formants."""
    rng = np.random.default_rng(sentence)
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.1 * np.sin(2 * np.pi * time + sentence))) / rate
    formants = rng.uniform(300, 3000, 3)
    harmonics = [np.sin(k * phase) * sum(np.exp(-(((k * f0 - f) / 300) ** 2)) for f in formants) for k in range(1, 25)]
    samples = np.sum(harmonics, axis=0) + 1e-3 * rng.standard_normal(len(time))
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def write_corpus(folder: Path, sentences: range = range(3), speakers: dict[str, float] = SPEAKERS) -> Path:
    """Write recordings and the data directory `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for speaker, f0 in speakers.items():
        for sentence in sentences:
            path = folder / f"{speaker}-{sentence:02}.wav"
            soundfile.write(path, voice(f0, sentence), 16000)
            utterances.append(Utterance(utt_id=path.stem, spk_id=speaker, path=path, text=f"sentence {sentence}"))
    DataDir(tuple(utterances), {speaker: speaker[0] for speaker in speakers}).write(folder)
    return folder
