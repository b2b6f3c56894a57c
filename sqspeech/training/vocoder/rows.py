"""Data of a vocoder's training: pitch and samples of each frame, and the log-mel that a codec decodes."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqspeech.data.feature_store import STATE_NAME, FeatureStore
from sqspeech.data.matrix_store import MatrixStore
from sqspeech.data.tables import read_table
from sqspeech.errors import DataError

ARK_NAME, TABLE_NAME, ROWS_STATE_NAME = "vocoder.ark", "vocoder.scp", "vocoder.json"


@dataclass(frozen=True, kw_only=True)
class VocoderData:
    """The utterances of a dump that a vocoder is trained on.

    Attributes
    ----------
    features
        Their log-mel.
    rows
        For each frame: the log-mel that the codec decodes (M columns, or none without a codec), F0 in Hz (0 where
        unvoiced), the phase of the fundamental, and the hop_length samples from the centre of the frame on, as the
        features have them: scaled and pre-emphasised.
    """

    features: FeatureStore
    rows: MatrixStore


def open_data(store: FeatureStore, codec: str | None) -> VocoderData:
    """Open what `sqspeech vocoder-data` has added to a dump, for a codec of this digest.

    Raises
    ------
    DataError
        There is nothing, or it was made of other features, of other recordings, or with another codec.
    """
    path, again = store.path, f"run `sqspeech vocoder-data {store.path} --config CONFIG`"
    try:
        state = json.loads((path / ROWS_STATE_NAME).read_text(encoding="utf-8"))
        found, digest = state["of"], state["codec"]
    except OSError:
        raise DataError(f"{path}: has no pitch and no samples for a vocoder; {again}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path / ROWS_STATE_NAME}: damaged; remove it and {again}") from None
    if found != origin(path):
        raise DataError(f"{path}: pitch and samples are of other features or recordings than the dump now has; {again}")
    if digest != codec:
        raise DataError(f"{path}: made with the codec {digest}, but the configuration names {codec}; {again}")
    places = read_table(path / TABLE_NAME)
    data = store.data.subset(utterance.utt_id for utterance in store.data if utterance.utt_id in places)
    locations = {utt_id: (path / ARK_NAME, int(place.rpartition(":")[2])) for utt_id, place in places.items()}
    rows = MatrixStore(path=path, data=data, width=row_width(store, codec), _locations=locations)
    opened = VocoderData(features=replace(store, data=data), rows=rows)
    if opened.features.lengths() != rows.lengths():
        raise DataError(f"{path}: pitch and log-mel differ in length; remove {ROWS_STATE_NAME} and {again}")
    column = rows.width - store.config.hop_length - 2  # of F0
    if not any((rows.read(utterance.utt_id)[:, column] > 0).any() for utterance in data):
        raise DataError(f"{path}: no frame of its {len(data)} utterances is voiced; a vocoder is trained on speech")
    return opened


def origin(path: Path) -> str:
    """Return what tells the features of a dump from others, and its recordings from changed ones."""
    names = [path / name for name in (STATE_NAME, "utt2version")]
    content = b"\n".join(name.read_bytes() for name in names if name.exists())
    return hashlib.sha256(content).hexdigest()[:16]


def row_width(store: FeatureStore, codec: str | None) -> int:
    """Return the columns of a row."""
    return (store.config.n_mels if codec else 0) + 2 + store.config.hop_length


def row_state(path: Path, codec: str | None) -> dict[str, Any]:
    """Return what is written beside the rows, by which they are known as those of a dump and a codec."""
    return {"of": origin(path), "codec": codec}
