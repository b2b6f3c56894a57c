"""Features on disk: a Kaldi data directory with feats.scp, feats.ark and the LogMelConfig they were made with."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sqspeech.data.data_dir import DataDir, read_table
from sqspeech.data.feature_ark import read_matrix
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig

STATE_NAME = "features.json"


@dataclass(frozen=True, kw_only=True)
class FeatureStore:
    """The log-mels of a data directory.

    Attributes
    ----------
    path
        The dump's folder.
    data
        The utterances that have features.
    config
        What the features were made with.
    """

    path: Path
    data: DataDir
    config: LogMelConfig
    _locations: dict[str, str]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, utt_id: str) -> NDArray[np.float32]:
        """Return the log-mel of an utterance, shape (T, M)."""
        ark, _, offset = self._locations[utt_id].rpartition(":")
        # The location is Kaldi's, as typed when the dump was made; the ark itself stands beside feats.scp.
        return read_matrix(self.path / Path(ark).name, int(offset))

    def read_all(self) -> Sequence[NDArray[np.float32]]:
        """Return the log-mels of all utterances, in order."""
        return [self.read(utterance.utt_id) for utterance in self.data]

    @classmethod
    def open(cls, path: Path, expected: LogMelConfig | None = None) -> "FeatureStore":
        """Open a dump, and hold it to the features that its reader expects.

        Raises
        ------
        DataError
            The folder is no finished dump, or its features differ from `expected`.
        """
        config = read_state(path).config
        if expected:
            check_same_features(path, config, expected)
        return cls(path=path, data=DataDir.read(path), config=config, _locations=read_table(path / "feats.scp"))


@dataclass(frozen=True, kw_only=True)
class DumpState:
    """What a dump was made from: the feature configuration, and the fingerprint of the data directory."""

    config: LogMelConfig
    fingerprint: str

    def to_json(self) -> str:
        """Return the text of features.json."""
        return json.dumps({"log_mel": asdict(self.config), "data_sha256": self.fingerprint}, indent=2) + "\n"


def read_state(folder: Path) -> DumpState:
    """Read the features.json of a dump; a DataError where there is none or it is damaged."""
    path = folder / STATE_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = TypeAdapter(LogMelConfig).validate_python(values["log_mel"])
        return DumpState(config=config, fingerprint=values["data_sha256"])
    except OSError:
        raise DataError(f"{folder}: no finished features here; run `sqspeech features DATA {folder}`") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise DataError(f"{path}: damaged; remove {folder} and run stage 2 (features) again") from None


def check_same_features(path: Path, found: LogMelConfig, expected: LogMelConfig) -> None:
    """Raise a DataError that names the first value in which two feature configurations differ."""
    expected_values = asdict(expected)
    for name, value in asdict(found).items():
        if value != expected_values[name]:
            raise DataError(
                f"{path}: made with features.{name} = {value}, but {expected_values[name]} is wanted; "
                "run stage 2 (features) again into another folder, or mend the configuration"
            )
