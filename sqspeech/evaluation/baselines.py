"""Baselines of units: MFCC and the log-mel that they were made of."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.mfcc import mfcc
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.progress import track


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Features of utterances by their ids.

    Attributes
    ----------
    frames
        The features (T, D) and the centres (T,) of their frames in seconds.
    means
        The mean frame, of which a classifier may guess the speaker.
    """

    frames: dict[str, tuple[NDArray[np.float32], NDArray[np.float64]]] = field(default_factory=dict)
    means: dict[str, NDArray[np.float32]] = field(default_factory=dict)


def baselines(data: DataDir, config: LogMelConfig) -> dict[str, Baseline]:
    """Return `mfcc` and `log_mel`, whose frames have their utterance's mean taken off: a channel is no phone.

    The mean MFCC leave c0 out: how loud a recording is does not tell whose it is.

    Raises
    ------
    DataError
        A recording cannot be read or has no features.
    """
    found = {"mfcc": Baseline(), "log_mel": Baseline()}
    log_mel = LogMel(config)
    for utterance in track(data, "MFCC and log-mel", len(data)):
        samples = utterance.read(config.sample_rate)
        coefficients, times = mfcc(samples, config.sample_rate, subtract_mean=False)
        mean = coefficients.mean(axis=0)
        found["mfcc"].frames[utterance.utt_id] = coefficients - mean, times
        found["mfcc"].means[utterance.utt_id] = mean[1:]
        mel = log_mel(torch.from_numpy(samples)).numpy()
        times = np.arange(len(mel)) * config.hop_length / config.sample_rate
        found["log_mel"].frames[utterance.utt_id] = mel - mel.mean(axis=0), times
        found["log_mel"].means[utterance.utt_id] = mel.mean(axis=0)
    return found
