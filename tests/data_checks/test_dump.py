"""A dump with one fault each: it is named, and the cleaned copy is without it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from sqspeech.corpus import Processes, map_in_order
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.data.findings import Severity, Treatment
from sqspeech.data.tables import read_table
from sqspeech.data_checks import matrices
from sqspeech.data_checks.fix import write_clean
from sqspeech.data_checks.validate import validate
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig

pytestmark = pytest.mark.usefixtures("without_processes")
ALL = {"f1-00", "f1-01", "f1-02", "m1-00", "m1-01", "m1-02"}
OTHERS = ALL - {"f1-01"}
ERROR, WARNING, NOTE = Severity
type Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, sound_corpus) -> Path:
    path = tmp_path_factory.mktemp("dump") / "dump"
    extract_features(DataDir.read(sound_corpus), path, LogMelConfig())
    return path


@pytest.fixture
def dump(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "dump")


def matrix_of(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Change the matrix of f1-01, and what the other files say of its length with it."""

    def rewrite(dump: Path) -> None:
        matrices = {utt: np.array(matrix) for utt, matrix in kaldiio.load_scp(str(dump / "feats.scp")).items()}
        matrices["f1-01"] = change(matrices["f1-01"])
        kaldiio.save_ark(str(dump / "feats.ark"), matrices, scp=str(dump / "feats.scp"))
        (dump / "utt2num_frames").write_text("".join(f"{utt} {len(matrix)}\n" for utt, matrix in matrices.items()))

    return rewrite


def lines(name: str, change: Callable[[list[str]], list[str]]) -> Change:
    return lambda dump: (dump / name).write_text(
        "".join(f"{line}\n" for line in change((dump / name).read_text().splitlines()))
    )


def first_value(value: float) -> Change:
    def change(matrix: np.ndarray) -> np.ndarray:
        matrix[0, 0] = value
        return matrix

    return matrix_of(change)


def point_to(location: str) -> Change:
    return lines("feats.scp", lambda rows: [rows[0], f"f1-01 {location}", *rows[2:]])


def pickled(dump: Path) -> None:
    """Bytes that kaldiio would unpickle, and so run."""
    (dump / "other.ark").write_bytes(b"f1-01 PKLcos\nsystem\n(S'touch unpickled'\ntR.")
    point_to("other.ark:6")(dump)


def text_config(dump: Path) -> None:
    config = json.loads((dump / "features.json").read_text())
    config["log_mel"]["n_mels"] = 40
    (dump / "features.json").write_text(json.dumps(config))


FAULTS = {
    "unsorted": (
        lines("feats.scp", lambda rows: [rows[1], rows[0], *rows[2:]]),
        ERROR,
        "feats.scp not sorted",
        "f1-00",
        ALL,
    ),
    "not in feats.scp": (
        lines("feats.scp", lambda rows: [rows[0], *rows[2:]]),
        ERROR,
        "ids of utt2spk that feats.scp lacks",
        "f1-01",
        OTHERS,
    ),
    "not in utt2spk": (
        lines("feats.scp", lambda rows: [*rows, f"x1-00 {rows[0].split()[1]}"]),
        ERROR,
        "ids of feats.scp that utt2spk lacks",
        "x1-00",
        ALL,
    ),
    "no offset": (point_to("feats.ark"), ERROR, "features that cannot be read", "f1-01", OTHERS),
    "a wrong offset": (point_to("feats.ark:77"), ERROR, "features that cannot be read", "f1-01", OTHERS),
    "an offset beyond the end": (
        point_to("feats.ark:99999999"),
        ERROR,
        "features that cannot be read",
        "f1-01",
        OTHERS,
    ),
    "no such ark": (point_to("none.ark:6"), ERROR, "features that cannot be read", "f1-01", OTHERS),
    "a pickle": (pickled, ERROR, "features that cannot be read", "f1-01", OTHERS),
    "float64": (matrix_of(lambda mel: mel.astype(np.float64)), ERROR, "features that cannot be read", "f1-01", OTHERS),
    "no frames": (matrix_of(lambda mel: mel[:0]), ERROR, "features that cannot be read", "f1-01", OTHERS),
    "bands": (matrix_of(lambda mel: mel[:, :40]), ERROR, "features of another number of bands", "f1-01", OTHERS),
    "NaN": (first_value(np.nan), ERROR, "features with NaN or infinity", "f1-01", OTHERS),
    "infinity": (first_value(np.inf), ERROR, "features with NaN or infinity", "f1-01", OTHERS),
    "span": (first_value(2.5), ERROR, "features with a span above 1", "f1-01", OTHERS),
    "constant": (matrix_of(np.zeros_like), ERROR, "features that are constant", "f1-01", OTHERS),
    "duration": (
        matrix_of(lambda mel: mel[:-1]),
        ERROR,
        "features of another duration than the audio",
        "f1-01",
        OTHERS,
    ),
    "frames": (
        lines("utt2num_frames", lambda rows: [rows[0], "f1-01 80", *rows[2:]]),
        ERROR,
        "utt2num_frames that disagrees with the features",
        "f1-01",
        ALL,
    ),
    "frames of nothing": (
        lines("utt2num_frames", lambda rows: [*rows, "x1-00 80"]),
        WARNING,
        "utt2num_frames of what has no features",
        "x1-00",
        ALL,
    ),
    "no utt2num_frames": (
        lambda dump: (dump / "utt2num_frames").unlink(),
        WARNING,
        "missing utt2num_frames",
        "utt2num_frames",
        ALL,
    ),
    "duplicate": (
        lines("feats.scp", lambda rows: [rows[0], f"f1-01 {rows[0].split()[1]}", *rows[2:]]),
        WARNING,
        "the same features as another utterance",
        "f1-01",
        OTHERS,
    ),
    "skipped": (
        lambda dump: (dump / "skipped").write_text("f1-03 truncated\n"),
        NOTE,
        "utterances that features skipped",
        "f1-03",
        ALL,
    ),
    "a speaker": (
        lines("utt2spk", lambda rows: [*rows[:2], "f1-02 z", *rows[3:]]),
        ERROR,
        "utterances that sort unlike their speakers",
        "f1-02",
        ALL - {"f1-02"} | {"z-f1-02"},
    ),
    "begun again": (
        lambda dump: (dump / ".unfinished").mkdir(),
        WARNING,
        "features that were begun again",
        "{dump}",
        ALL,
    ),
}
UNUSABLE = {
    "unfinished": (
        lambda dump: (dump / "features.json").rename(dump / ".unfinished"),
        "unfinished features",
        "nothing usable",
    ),
    "no features.json": (
        lambda dump: (dump / "features.json").unlink(),
        "features.json missing or damaged",
        "no finished features",
    ),
    "damaged features.json": (
        lambda dump: (dump / "features.json").write_text("{"),
        "features.json missing or damaged",
        "damaged",
    ),
    "no feats.scp": (lambda dump: (dump / "feats.scp").unlink(), "missing feats.scp", "nothing usable"),
    "no ark": (lambda dump: (dump / "feats.ark").unlink(), "features that cannot be read", "nothing usable"),
    "another configuration": (text_config, "features of another number of bands", "nothing usable"),
}


def test_nothing_is_wrong_with_a_finished_dump(dump, tmp_path):
    report = validate(dump)
    assert report.findings == ()
    assert report.seconds == pytest.approx(6 * 81 * 160 / 16000)
    write_clean(report, tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    for name in ("feats.ark", "utt2num_frames", "features.json", "utt2spk", "wav.scp", "skipped", "notes"):
        assert (tmp_path / "elsewhere" / name).read_bytes() == (dump / name).read_bytes()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_absent_from_the_cleaned_copy(dump, finished, tmp_path, name):
    change, severity, kind, where, usable = FAULTS[name]
    change(dump)
    report = validate(dump)
    (found,) = [finding for finding in report.findings if finding.kind == kind]
    assert (found.severity, found.where) == (severity, where.format(dump=dump))
    assert found.fix
    assert report.failed(strict=False) == (severity is ERROR)
    assert report.failed(strict=True) == (severity is not NOTE)
    write_clean(report, tmp_path / "out")
    again = validate(tmp_path / "out")
    assert not again.failed(strict=False)
    assert name == "begun again" or found.treatment is Treatment.KEPT or kind not in {f.kind for f in again.findings}
    store, original = FeatureStore.open(tmp_path / "out", LogMelConfig()), FeatureStore.open(finished)
    assert {utterance.utt_id for utterance in store.data} == usable
    for utt_id in usable:
        np.testing.assert_array_equal(store.read(utt_id), original.read(utt_id.removeprefix("z-")))
    kaldi = kaldiio.load_scp(str(tmp_path / "out/feats.scp"))
    assert {utt: len(kaldi[utt]) for utt in kaldi} == {
        utt: int(frames) for utt, frames in read_table(tmp_path / "out/utt2num_frames").items()
    }
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_no_copy_can_mend_is_told_in_one_line(dump, tmp_path, name):
    change, kind, reason = UNUSABLE[name]
    change(dump)
    report = validate(dump)
    assert report.failed(strict=False)
    assert kind in {finding.kind for finding in report.findings}
    with pytest.raises(DataError, match=rf"^[^\n]*{reason}[^\n]*$"):
        write_clean(report, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["dump"]


def test_a_dump_without_its_audio_is_sound(dump):
    lines("wav.scp", lambda rows: [f"{row.split()[0]} gone.wav" for row in rows])(dump)
    assert validate(dump).findings == ()


def test_durations_hold_for_segments_and_other_rates(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for rate in (22050, 44100):
        noise = np.random.default_rng(rate).uniform(-0.5, 0.5, 2 * rate + 17)
        soundfile.write(folder / f"{rate}.wav", noise, rate)
    (folder / "wav.scp").write_text("22050 22050.wav\n44100 44100.wav\n")
    (folder / "segments").write_text("a-1 22050 0.1 0.777\na-2 22050 0.5 -1\na-3 44100 0.333 1.9\na-4 44100 0.01 2.2\n")
    (folder / "utt2spk").write_text("a-1 a\na-2 a\na-3 a\na-4 a\n")
    extract_features(DataDir.read(folder), tmp_path / "dump", LogMelConfig())
    assert validate(tmp_path / "dump").findings == ()


def test_processes_find_the_same_in_a_dump_of_real_speech(speech, tmp_path, monkeypatch):
    whole = DataDir.read(speech / "emodb")
    subset = whole.subset([utterance.utt_id for utterance in whole][::50])
    extract_features(subset, tmp_path / "dump", LogMelConfig())
    expected = validate(tmp_path / "dump")
    monkeypatch.setattr(matrices, "map_in_order", map_in_order)
    report = validate(tmp_path / "dump", workers=Processes(2))
    assert report == expected
    assert report.findings == ()
    assert len(report.utterances) == len(subset)
