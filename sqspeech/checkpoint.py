"""One self-contained file: configuration, speakers, weights, and what training needs to go on."""

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.config import ExperimentConfig
from sqspeech.errors import CheckpointError, DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.models.sqvae import SQVAE
from sqspeech.pitch import SpeakerPitch
from sqspeech.quantizers import first_stages
from sqspeech.vocoders import VOCODERS, Vocoder

FORMAT = "sqspeech-2"


def build_model(config: ExperimentConfig, n_speakers: int) -> SQVAE:
    """Return the untrained model of a configuration."""
    return SQVAE(
        config.encoder,
        config.quantizer,
        config.decoder,
        n_mels=config.features.n_mels,
        n_speakers=n_speakers,
        objective=config.training.objective,
        level_weight=config.training.level_weight,
    )


def checkpoint_content(
    config: ExperimentConfig,
    speakers: list[str],
    pitch: Mapping[str, SpeakerPitch],
    model: SQVAE,
    training: Mapping[str, Any],
    bands: Mapping[str, list[float]] | None = None,
) -> dict[str, Any]:
    """Return what a checkpoint holds; `training` is what the trainer needs to go on (plain values and tensors).

    For the others see `TrainedModel`.
    """
    return {
        "format": FORMAT,
        "config": config.to_dict(),
        "speakers": speakers,
        "pitch": {name: [found.log_mean, found.log_std] for name, found in pitch.items()},
        "bands": dict(bands or {}),
        "model": model.state_dict(),
        "training": dict(training),
    }


def write_content(path: Path, content: Mapping[str, Any]) -> None:
    """Write the content of a checkpoint; through memory, because torch crashes where a disk is full."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    path.write_bytes(buffer.getvalue())


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read the content of a checkpoint, and its `digest`; code inside the file cannot run.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or no checkpoint of this project.
    """
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the checkpoint ({error.strerror}); check the path") from None
    try:
        _check_sums(stored)
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(io.BytesIO(stored), map_location=device, weights_only=True)
    except Exception:  # a damaged pickle may raise anything
        raise CheckpointError(f"{path}: damaged or no checkpoint; give a .ckpt that `sqspeech train` wrote") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}; train again with this version")
    return {**content, "digest": hashlib.sha256(stored).hexdigest()[:16]}


def check_is_codec(content: Mapping[str, Any], path: Path) -> None:
    """Raise a CheckpointError where a checkpoint is of another task than that of codecs."""
    if "task" in content:
        raise CheckpointError(
            f"{path}: a checkpoint of the task {content['task']}, not of a codec; give one whose training had no other "
            "`task` (`sqspeech attach-vocoder` puts a vocoder into it)"
        )


def _vocoder(stored: Mapping[str, Any] | None, features: LogMelConfig, device: torch.device) -> Vocoder | None:
    return VOCODERS[stored["name"]].restore(features, stored, device) if stored else None


def _check_sums(stored: bytes) -> None:
    # torch.load does not look at them, and takes damaged weights for weights.
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        if archive.testzip():
            raise zipfile.BadZipFile


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model ready for use, with everything that its use needs.

    Attributes
    ----------
    config, speakers
        What it was trained with; a speaker's place in the list is its index.
    pitch
        Of those speakers of whom there was voiced speech.
    bands
        The mean of each band of the log-mel, of those speakers of whom it is known. Checkpoints of before have none.
    model
        In eval mode, on `device`.
    log_mel
        The features it was trained on.
    digest
        The first 16 hexadecimal digits of the SHA-256 of the checkpoint file.
    ancestors
        The digests of the checkpoints that this one was made of by adding speakers or a vocoder, which leaves the units
        as they are.
    vocoder
        The trained one, where there is one: the one that is used for speech then.
    """

    config: ExperimentConfig
    speakers: list[str]
    pitch: dict[str, SpeakerPitch]
    model: SQVAE
    log_mel: LogMel
    device: torch.device
    digest: str
    ancestors: tuple[str, ...] = ()
    vocoder: Vocoder | None = None
    bands: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def same_units(self) -> tuple[str, ...]:
        """The digests of the checkpoints whose units are this one's."""
        return (self.digest, *self.ancestors)

    @property
    def vocoders(self) -> list[str]:
        """The names of the vocoders that it can be used with: those that need no training, and its own."""
        own = self.vocoder.name if self.vocoder else None
        return [name for name in VOCODERS.names() if name == own or not hasattr(VOCODERS[name], "restore")]

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu", stages: int | None = None) -> "TrainedModel":
        """Load a checkpoint, of a residual quantiser with its first `stages` alone where they are given.

        Raises
        ------
        CheckpointError
            See `read_checkpoint`; or the checkpoint is of another task.
        ConfigError
            The quantiser has fewer stages.
        """
        path, device = Path(path), torch.device(device)
        content = read_checkpoint(path, device)
        check_is_codec(content, path)
        config = ExperimentConfig.from_dict(content["config"], str(path))
        model = build_model(config, len(content["speakers"])).to(device)
        used = {name: weights for name, weights in content["model"].items() if not name.startswith("discriminator.")}
        model.load_state_dict(used)
        if stages is not None:
            model.quantizer = first_stages(model.quantizer, stages)
        return cls(
            config=config,
            speakers=content["speakers"],
            pitch={name: SpeakerPitch(log_mean=mean, log_std=std) for name, (mean, std) in content["pitch"].items()},
            model=model.eval(),
            log_mel=LogMel(config.features).to(device),
            device=device,
            digest=content["digest"],
            ancestors=tuple(content.get("ancestors", ())),
            bands=content.get("bands", {}),
            vocoder=_vocoder(content.get("vocoder"), config.features, device),
        )

    def features(self, samples: NDArray[np.float32]) -> Float[Tensor, "1 T M"]:
        """Return the log-mel of samples (N,) at `config.features.sample_rate`, as a batch of one.

        Raises
        ------
        DataError
            The samples have no features (see `LogMel`), or too few frames for a unit.
        """
        mel: Tensor = self.log_mel(torch.from_numpy(samples).to(self.device)).unsqueeze(0)
        self.model.geometry.check(mel.shape[1])
        return mel

    def speaker_index(self, name: str) -> Tensor:
        """Return the index of a speaker, shape (1,).

        Raises
        ------
        DataError
            The model does not know the speaker; the nearest names are given.
        """
        if name not in self.speakers:
            near = ", ".join(get_close_matches(name, self.speakers, n=3, cutoff=0))
            raise DataError(f"the model has no speaker {name}; the nearest of its {len(self.speakers)} are {near}")
        return torch.tensor([self.speakers.index(name)], device=self.device)
