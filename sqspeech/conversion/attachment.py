"""A trained vocoder put into the checkpoint of a codec: one file that makes speech."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sqspeech.checkpoint import check_is_codec, read_checkpoint
from sqspeech.errors import CheckpointError, DataError


def attach_vocoder(codec: Path, vocoder: Path) -> dict[str, Any]:
    """Return the content of a checkpoint that has the vocoder of another, in place of one that it had.

    Nothing else changes by a single bit, and units of the codec stay its own. Training cannot be continued from the
    result.

    Parameters
    ----------
    codec
        The checkpoint of an SQ-VAE.
    vocoder
        That of the task `vocoder`: its content has `vocoder`, where `prefix` tells which of its weights make speech.

    Raises
    ------
    CheckpointError
        A file cannot be read, or is a checkpoint of something else.
    DataError
        The features of the vocoder are not those of the codec.
    """
    cpu = torch.device("cpu")
    content, found = (read_checkpoint(path, cpu) for path in (codec, vocoder))
    check_is_codec(content, codec)
    if "prefix" not in found.get("vocoder", {}):
        raise CheckpointError(
            f"{vocoder}: no checkpoint of the task vocoder; give EXP/best.ckpt of `sqspeech train DUMP EXP --config "
            "vocoder.yaml`"
        )
    _check_features(content["config"]["features"], found["config"]["features"], codec, vocoder)
    kept = {key: value for key, value in content.items() if key != "digest"}
    return kept | {
        "vocoder": _stored(found),
        "training": {},
        "ancestors": [content["digest"], *content.get("ancestors", ())],
    }


def _stored(found: Mapping[str, Any]) -> dict[str, Any]:
    about = dict(found["vocoder"])
    prefix = about.pop("prefix")
    model = {name.removeprefix(prefix): value for name, value in found["model"].items() if name.startswith(prefix)}
    return {**about, "model": model, "digest": found["digest"]}


def _check_features(wanted: Mapping[str, Any], found: Mapping[str, Any], codec: Path, vocoder: Path) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise DataError(
                f"{vocoder}: a vocoder for features.{name} = {found.get(name)}, but {codec} has {value}; train "
                "one with the features of the model"
            )
