"""Features on disk: a Kaldi data directory with feats.scp, feats.ark and the LogMelConfig they were made with."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_locations import AGAIN, scan_locations
from sqspeech.data.findings import refuse
from sqspeech.data.matrix_store import MatrixStore
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig

STATE_NAME = "features.json"


@dataclass(frozen=True, kw_only=True)
class FeatureStore(MatrixStore):
    """The log-mels of a data directory.

    Attributes
    ----------
    config
        What the features were made with.
    """

    config: LogMelConfig

    def fault(self, columns: int) -> str:
        """See `MatrixStore`."""
        return f"{band_fault(columns, self.config)}; {AGAIN}"

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
        return cls(path=path, data=data, width=config.n_mels, config=config, _locations=locations)


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
