"""Features on disk: a Kaldi data directory with feats.scp, feats.ark and the LogMelConfig they were made with."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_ark import HEAD, open_ark, read_matrix, read_shape
from sqspeech.data.feature_locations import AGAIN, Location, scan_locations
from sqspeech.data.findings import refuse
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
    _locations: dict[str, Location]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, utt_id: str) -> NDArray[np.float32]:
        """Return the log-mel of an utterance, shape (T, M)."""
        return read_matrix(*self._locations[utt_id])

    def place(self, utt_id: str) -> tuple[Path, int]:
        """Return the ark that holds an utterance, and the byte at which its values begin."""
        ark, offset = self._locations[utt_id]
        return ark, offset + HEAD

    def lengths(self) -> list[int]:
        """Return the number of frames of each utterance, in order, without reading them.

        Raises
        ------
        DataError
            An ark has no whole matrix of `config.n_mels` columns at its place by feats.scp.
        """
        lengths, arks = [], dict[Path, BinaryIO]()
        with ExitStack() as stack:
            for utterance in self.data:
                path, offset = self._locations[utterance.utt_id]
                if path not in arks:
                    arks[path] = stack.enter_context(open_ark(path))
                frames, bands = read_shape(arks[path], offset)
                if fault := band_fault(bands, self.config):
                    raise DataError(f"{path}: {utterance.utt_id} has {fault}; {AGAIN}")
                lengths.append(frames)
        return lengths

    @classmethod
    def open(cls, path: Path, expected: LogMelConfig | None = None) -> "FeatureStore":
        """Open a dump, and refuse features that differ from those that its reader expects.

        Raises
        ------
        DataError
            The folder is no finished dump, its tables are damaged, or its features differ from `expected`.
        """
        config = read_state(path).config
        if expected:
            check_same_features(path, config, expected)
        data = DataDir.read(path)
        locations, findings = scan_locations(path, [utterance.utt_id for utterance in data])
        refuse(findings)
        return cls(path=path, data=data, config=config, _locations=locations)


@dataclass(frozen=True, kw_only=True)
class DumpState:
    """Origin of a dump: the feature configuration, and the fingerprint of the data directory."""

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
        raise DataError(f"{path}: damaged; remove {folder} and run `sqspeech features` again") from None


def band_fault(n_bands: int, config: LogMelConfig) -> str:
    """Return what is wrong with features of so many bands, or nothing."""
    return f"{n_bands} bands, but features.n_mels is {config.n_mels}" if n_bands != config.n_mels else ""


def check_same_features(path: Path, found: LogMelConfig, expected: LogMelConfig) -> None:
    """Raise a DataError that names the first value in which two feature configurations differ."""
    expected_values = asdict(expected)
    for name, value in asdict(found).items():
        if value != expected_values[name]:
            raise DataError(
                f"{path}: made with features.{name} = {value}, but {expected_values[name]} is wanted; "
                "run `sqspeech features` again into another folder, or change the configuration"
            )
