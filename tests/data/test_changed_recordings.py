"""Recordings that change after their features were made: by the rule that units have, too."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from corpus import voice

from sqspeech.corpus import Shard
from sqspeech.data import feature_computation, speaker_pitch
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import VERSIONS_NAME, extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.data_checks import matrices
from sqspeech.data_checks.fix import write_clean
from sqspeech.data_checks.validate import validate
from sqspeech.features import LogMel, LogMelConfig

NAMES = ("a-0", "a-1", "a-2")


def map_here(function, items, workers, *, died):
    """As sqspeech.corpus.map_in_order, without its processes, which take a second to start."""
    for item in items:
        yield function(item)


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    for module in (feature_computation, speaker_pitch, matrices):
        monkeypatch.setattr(module, "map_in_order", map_here)


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        record(folder / f"{name}.wav", number)
    (folder / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in NAMES))
    (folder / "utt2spk").write_text("".join(f"{name} a\n" for name in NAMES))
    return folder


def record(path: Path, number: int, seconds: float = 0.5) -> None:
    soundfile.write(path, voice(100 + 10 * number, number, seconds), 16000)


def another(path: Path) -> None:
    """As long as the one before, and later."""
    before = path.stat()
    record(path, 7 + int(path.stem[-1]))
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def longer(path: Path) -> None:
    """At the same time as the one before."""
    before = path.stat()
    record(path, 7 + int(path.stem[-1]), 0.7)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def older(path: Path) -> None:
    record(path, 7 + int(path.stem[-1]))
    os.utime(path, ns=(0, 10**18))


def replaced(path: Path) -> None:
    record(path.with_name("new.wav"), 7 + int(path.stem[-1]))
    path.with_name("new.wav").replace(path)
    os.utime(path, ns=(0, 2 * 10**18))


def extract(data: Path, dump: Path, **options):
    return extract_features(DataDir.read(data), dump, LogMelConfig(), **options)


def stored(dump: Path) -> dict[str, np.ndarray]:
    store = FeatureStore.open(dump)
    return {utterance.utt_id: store.read(utterance.utt_id) for utterance in store.data}


def true(data: Path) -> dict[str, np.ndarray]:
    return {u.utt_id: LogMel()(torch.from_numpy(u.read(16000))).numpy() for u in DataDir.read(data)}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, matrix in one.items():
        np.testing.assert_array_equal(matrix, other[name])


@pytest.mark.parametrize("change", [another, longer, older, replaced])
@pytest.mark.parametrize("changed", [("a-0",), ("a-2",), ("a-0", "a-1"), NAMES], ids=" ".join)
def test_what_has_changed_is_computed_again(data, tmp_path, change, changed):
    extract(data, tmp_path / "dump")
    for name in changed:
        change(data / f"{name}.wav")
    stale = {f.where for f in validate(tmp_path / "dump").findings if "has changed since" in f.kind}
    assert stale == set(changed)
    extract(data, tmp_path / "dump")
    assert_same(stored(tmp_path / "dump"), true(data))
    extract(data, tmp_path / "fresh")
    for name in ("feats.ark", "utt2num_frames", VERSIONS_NAME, "spk2pitch"):
        assert (tmp_path / "dump" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    assert not validate(tmp_path / "dump").findings


def test_what_has_not_changed_is_not(data, tmp_path, monkeypatch):
    extract(data, tmp_path / "dump")
    monkeypatch.setattr(feature_computation, "map_in_order", lambda *_, **__: pytest.fail("computed again"))
    assert extract(data, tmp_path / "dump")[0] == 3


def test_a_change_between_shards_is_noticed(data, tmp_path):
    for index in (1, 2):
        extract(data, tmp_path / "dump", shard=Shard(index, 2))
    another(data / "a-0.wav")
    extract(data, tmp_path / "dump", shard=Shard(1, 2))
    another(data / "a-2.wav")
    extract(data, tmp_path / "dump")
    assert_same(stored(tmp_path / "dump"), true(data))
    extract(data, tmp_path / "fresh")
    assert (tmp_path / "dump/feats.ark").read_bytes() == (tmp_path / "fresh/feats.ark").read_bytes()


@pytest.mark.parametrize("broken", [("a-0",), ("a-2",), NAMES], ids=" ".join)
def test_a_recording_that_is_damaged_since_is_no_longer_in_the_dump(data, tmp_path, broken):
    extract(data, tmp_path / "dump")
    before = stored(tmp_path / "dump")
    for name in broken:
        (data / f"{name}.wav").write_bytes(b"no audio")
    done, failures = extract(data, tmp_path / "dump")
    assert (done, sorted(failures.reasons)) == (3 - len(broken), sorted(broken))
    if done:
        assert_same(stored(tmp_path / "dump"), {name: mel for name, mel in before.items() if name not in broken})


def test_a_recording_that_is_gone_keeps_its_features(data, tmp_path):
    extract(data, tmp_path / "dump")
    (data / "a-1.wav").unlink()
    assert extract(data, tmp_path / "dump")[0] == 3


def test_a_dump_from_before_versions_were_kept_is_used_as_it_is(data, tmp_path):
    extract(data, tmp_path / "dump")
    (tmp_path / "dump" / VERSIONS_NAME).unlink()
    another(data / "a-1.wav")
    assert FeatureStore.open(tmp_path / "dump").lengths() == [51, 51, 51]
    assert not [f for f in validate(tmp_path / "dump").findings if "changed" in f.kind]
    assert extract(data, tmp_path / "dump")[0] == 3


def test_a_cleaned_copy_is_without_it_and_knows_the_others(data, tmp_path):
    extract(data, tmp_path / "dump")
    another(data / "a-1.wav")
    write_clean(validate(tmp_path / "dump"), tmp_path / "clean")
    assert list(stored(tmp_path / "clean")) == ["a-0", "a-2"]
    another(data / "a-2.wav")
    assert [f.where for f in validate(tmp_path / "clean").findings] == ["a-2"]
