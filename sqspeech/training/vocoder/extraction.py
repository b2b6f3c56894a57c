"""Compute the rows of a vocoder's training: in several processes, stopped and continued."""

import hashlib
import json
import math
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sqspeech.atomic import write_text
from sqspeech.codec import Codec, find_speaker
from sqspeech.corpus import DIED, Workers, map_locally_or_in_order
from sqspeech.data.data_dir import Utterance
from sqspeech.data.feature_ark import GrowingArk
from sqspeech.data.feature_store import FeatureStore
from sqspeech.data.tables import write_table
from sqspeech.errors import DataError, cannot_write
from sqspeech.failures import Failures
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.lock import locked
from sqspeech.pitch import track_f0
from sqspeech.progress import track
from sqspeech.training.vocoder.rows import ARK_NAME, ROWS_STATE_NAME, TABLE_NAME, open_data, row_state
from sqspeech.vocoders.pulses import fill

# In seconds, of the window through which the phase of the fundamental is seen.
PHASE_WINDOW = 0.03


def extract_rows(store: FeatureStore, codec: Codec | None, workers: Workers) -> tuple[int, Failures]:
    """Add to a dump vocoder.ark, vocoder.scp and vocoder.json; what is there and is of this dump and codec is left.

    Returns
    -------
    done
        How many utterances have rows.
    failures
        The others.

    Raises
    ------
    DataError
        No frame of all utterances is voiced.
    SqspeechError
        The folder cannot be written, or another run is writing there.
    """
    path, digest = store.path, codec.trained.digest if codec else None
    state = json.dumps(row_state(path, digest), indent=2) + "\n"
    work = path / ".unfinished-vocoder"
    failures = Failures()
    try:
        with locked(work / "lock"):
            if not _is_finished(path, state):
                _extract(store, codec, work / hashlib.sha256(state.encode()).hexdigest()[:16], workers, failures)
                write_text(path / ROWS_STATE_NAME, state)
            shutil.rmtree(work)
    except OSError as error:
        raise cannot_write(path, error) from error
    return len(open_data(store, digest).rows), failures


def _is_finished(path: Path, state: str) -> bool:
    file = path / ROWS_STATE_NAME
    return file.exists() and file.read_text(encoding="utf-8") == state


def _extract(store: FeatureStore, codec: Codec | None, folder: Path, workers: Workers, failures: Failures) -> None:
    path, analysis = store.path, Analysis(store.config, codec)
    ark = GrowingArk(folder)
    missing = [utterance for utterance in store.data if utterance.utt_id not in ark.entries]
    found = map_locally_or_in_order(analysis, missing, workers, died=lambda utterance: DIED)
    with closing(ark), closing(found):
        for utterance, rows in zip(missing, track(found, "pitch", len(missing)), strict=True):
            if isinstance(rows, str):
                failures.add(utterance.utt_id, rows)
            else:
                ark.append(utterance.utt_id, rows)
    failures.check(len(ark.entries), strict=False)
    (path / ROWS_STATE_NAME).unlink(missing_ok=True)
    places = {utt_id: f"{path / ARK_NAME}:{entry.offset}" for utt_id, entry in sorted(ark.entries.items())}
    write_table(path / TABLE_NAME, places)
    ark.path.replace(path / ARK_NAME)


@dataclass(frozen=True)
class Analysis:
    """Function of an utterance to its rows (see `VocoderData`), or to the reason why there are none."""

    features: LogMelConfig
    codec: Codec | None

    def __call__(self, utterance: Utterance) -> NDArray[np.float32] | str:
        """Read the recording and analyse it."""
        try:
            samples = utterance.read(self.features.sample_rate)
            return self._rows(samples, utterance.spk_id)
        except DataError as error:
            return str(error)

    def _rows(self, samples: NDArray[np.float32], speaker: str) -> NDArray[np.float32]:
        rate, hop = self.features.sample_rate, self.features.hop_length
        f0 = track_f0(samples, rate, hop)
        left, right = self.features.edges
        conditioned = LogMel(self.features).condition(torch.from_numpy(samples))[left:-right].numpy()
        columns: list[NDArray[Any]] = [
            f0,
            fundamental_phase(samples, f0, rate, hop),
            _by_frame(conditioned, len(f0), hop),
        ]
        if self.codec:
            target = find_speaker(self.codec.trained, speaker)
            columns.insert(0, self.codec.synthesizer.log_mel(samples, target).cpu().numpy())
        return np.column_stack(columns).astype(np.float32)


def fundamental_phase(
    samples: NDArray[np.float32], f0: NDArray[np.float64], sample_rate: int, hop_length: int
) -> NDArray[np.float64]:
    """Return the phase of the fundamental at T frames, in [−π, π]: where it is 0 it has a crest.

    The samples are demodulated by the integral of F0 and averaged over 30 ms (Hann). Unvoiced frames have the F0 of
    their neighbours (see `fill`).
    """
    filled = fill(torch.from_numpy(f0)[None])[0].numpy()
    half = round(PHASE_WINDOW * sample_rate / 2)
    places = np.arange(-half, (len(f0) - 1) * hop_length + half + 1)
    turns = np.cumsum(np.interp(places / hop_length, np.arange(len(f0)), filled)) / sample_rate
    carrier = np.exp(-2j * math.pi * turns)
    padded = np.zeros(len(places))
    kept = samples[: len(places) - half]
    padded[half : half + len(kept)] = kept
    seen = sliding_window_view(padded * carrier, 2 * half + 1)[::hop_length]
    phase: NDArray[np.float64] = np.angle(seen @ np.hanning(2 * half + 1) / carrier[half::hop_length][: len(f0)])
    return phase


def _by_frame(samples: NDArray[np.float32], frames: int, hop: int) -> NDArray[np.float32]:
    """Return the `hop` samples from the centre of each frame on, shape (T, hop); zeros behind the end."""
    return np.pad(samples, (0, frames * hop - len(samples))).reshape(frames, hop)
