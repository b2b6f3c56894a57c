"""Baselines of units: MFCC and the log-mel from which the units were made."""

import numpy as np
import torch

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.unit_metric import Baseline
from sqspeech.evaluation.units.mfcc import mfcc
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.progress import track

BASELINES = {"mfcc": "MFCC", "log_mel": "log-mel"}


def baselines(data: DataDir, config: LogMelConfig) -> dict[str, Baseline]:
    """Return `mfcc` and `log_mel`, with the mean of each utterance subtracted from its frames.

    The mean frames of MFCC are without c0, so that the level of a recording does not tell its speaker.

    Raises
    ------
    DataError
        A recording cannot be read or has no features.
    """
    of_mfcc, of_log_mel = Baseline(), Baseline()
    log_mel = LogMel(config)
    for utterance in track(data, "MFCC and log-mel", len(data)):
        samples = utterance.read(config.sample_rate)
        coefficients, times = mfcc(samples, config.sample_rate, subtract_mean=False)
        mean = coefficients.mean(axis=0)
        of_mfcc.frames[utterance.utt_id] = coefficients - mean, times
        of_mfcc.means[utterance.utt_id] = mean[1:]
        mel = log_mel(torch.from_numpy(samples)).numpy()
        times = np.arange(len(mel)) * config.hop_length / config.sample_rate
        of_log_mel.frames[utterance.utt_id] = mel - mel.mean(axis=0), times
        of_log_mel.means[utterance.utt_id] = mel.mean(axis=0)
    return {"mfcc": of_mfcc, "log_mel": of_log_mel}
