import filecmp
import os
import signal
import time

import kaldiio
import numpy as np
import processes
import pytest
import torch
from corpus import write_corpus

from sqspeech.corpus import Processes
from sqspeech.data import feature_extraction
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig

CONFIG = LogMelConfig()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> DataDir:
    return DataDir.read(write_corpus(tmp_path_factory.mktemp("corpus") / "data"))


@pytest.fixture(scope="module")
def dump(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("dump")
    extract_features(data, path, CONFIG, workers=Processes(1))
    return path


def test_a_stored_feature_equals_the_one_made_on_the_fly(data, dump):
    store = FeatureStore.open(dump, CONFIG)
    assert [u.utt_id for u in store.data] == [u.utt_id for u in data]
    for utterance in data:
        expected = LogMel()(torch.from_numpy(utterance.read(16000))).numpy()
        np.testing.assert_array_equal(store.read(utterance.utt_id), expected)


def test_kaldi_readers_read_it(dump, monkeypatch):
    monkeypatch.chdir("/")
    features = dict(kaldiio.load_scp(str(dump / "feats.scp")))
    frames = dict(line.split() for line in (dump / "utt2num_frames").read_text().splitlines())
    assert {utt: str(len(mel)) for utt, mel in features.items()} == frames
    assert all(mel.shape[1] == 80 and mel.dtype == np.float32 for mel in features.values())


def test_the_number_of_jobs_changes_no_byte(data, dump, tmp_path):
    extract_features(data, tmp_path, CONFIG, workers=Processes(2))
    assert filecmp.cmp(tmp_path / "feats.ark", dump / "feats.ark", shallow=False)
    assert filecmp.cmp(tmp_path / "utt2num_frames", dump / "utt2num_frames", shallow=False)


@pytest.mark.parametrize("torn", [0, 7])
def test_a_stopped_run_is_continued_to_the_same_bytes(data, dump, tmp_path, monkeypatch, torn):
    """Stop after five utterances, tear the files' ends as a crash would, and go on."""
    compute, computed = feature_extraction.compute, []

    def stopping(blocks, config, **options):
        for count, result in enumerate(compute(blocks, config, **options)):
            if count == 5:
                raise KeyboardInterrupt
            yield result

    def counting(blocks, config, **options):
        computed.extend(u.utt_id for block in blocks for u in block)
        return compute(blocks, config, **options)

    monkeypatch.setattr(feature_extraction, "compute", stopping)
    with pytest.raises(KeyboardInterrupt):
        extract_features(data, tmp_path, CONFIG)
    assert not (tmp_path / "feats.scp").exists()
    (ark,) = tmp_path.glob(".unfinished/*/part/feats.ark")
    os.truncate(ark, ark.stat().st_size - torn)
    with ark.with_name("index").open("a") as index:
        index.write("f9-00 12")
    monkeypatch.setattr(feature_extraction, "compute", counting)
    extract_features(data, tmp_path, CONFIG)
    assert len(computed) == len(data) - 5 + (torn > 0)
    assert filecmp.cmp(tmp_path / "feats.ark", dump / "feats.ark", shallow=False)
    assert FeatureStore.open(tmp_path).data == FeatureStore.open(dump).data
    assert not (tmp_path / ".unfinished").exists()


def test_kill_minus_nine_loses_nothing(data, dump, tmp_path):
    data.write(tmp_path / "data")
    config = tmp_path / "c.yaml"
    config.write_text("encoder: {}\n")
    command = ["features", tmp_path / "data", tmp_path / "dump", "--config", config]
    process = processes.start(command, tmp_path / "output", {})
    deadline = time.monotonic() + 120
    while process.is_alive() and time.monotonic() < deadline:
        if any(index.stat().st_size for index in tmp_path.glob("dump/.unfinished/*/part/index")):
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    extract_features(DataDir.read(tmp_path / "data"), tmp_path / "dump", CONFIG)
    assert filecmp.cmp(tmp_path / "dump/feats.ark", dump / "feats.ark", shallow=False)


def test_a_finished_dump_is_left_alone(data, dump, monkeypatch):
    before = (dump / "feats.ark").stat().st_mtime_ns
    monkeypatch.setattr(feature_extraction, "compute", None)
    extract_features(data, dump, CONFIG)
    assert (dump / "feats.ark").stat().st_mtime_ns == before


def test_other_data_makes_it_anew(data, tmp_path):
    extract_features(data.subset(["f1-00"]), tmp_path, CONFIG)
    extract_features(data.subset(["m1-00", "m1-01"]), tmp_path, CONFIG)
    assert [u.utt_id for u in FeatureStore.open(tmp_path).data] == ["m1-00", "m1-01"]


def test_bad_files_are_reported_by_name_and_the_rest_goes_on(data, tmp_path, capsys):
    data.write(tmp_path / "data")
    (tmp_path / "f1-01.wav").write_text("no audio at all")
    (tmp_path / "m1-02.wav").touch()
    scp = tmp_path / "data/wav.scp"
    lines = [line.split() for line in scp.read_text().splitlines()]
    bad = {"f1-01", "m1-02"}
    scp.write_text("".join(f"{utt} {tmp_path / f'{utt}.wav' if utt in bad else path}\n" for utt, path in lines))
    _, failures = extract_features(DataDir.read(tmp_path / "data"), tmp_path / "dump", CONFIG)
    assert failures.reasons.keys() == bad
    assert "cannot decode" in failures.reasons["f1-01"]
    assert "0 bytes" in failures.reasons["m1-02"]
    assert "skipped f1-01: " in capsys.readouterr().err
    assert {u.utt_id for u in FeatureStore.open(tmp_path / "dump").data} == {u.utt_id for u in data} - bad
    _, again = extract_features(DataDir.read(tmp_path / "data"), tmp_path / "dump", CONFIG)
    assert again.reasons == failures.reasons


def test_another_configuration_is_refused_with_both_values(data, dump):
    with pytest.raises(DataError, match="made with features.n_mels = 80, but 40 is wanted; run `sqspeech features`"):
        FeatureStore.open(dump, LogMelConfig(n_mels=40))
    with pytest.raises(DataError, match="features.n_mels = 80, but 40"):
        extract_features(data, dump, LogMelConfig(n_mels=40))


def test_no_dump_is_named(tmp_path):
    with pytest.raises(DataError, match="no finished features here; run `sqspeech features"):
        FeatureStore.open(tmp_path)


def test_a_moved_dump_is_read(dump, tmp_path):
    moved = tmp_path / "elsewhere"
    dump.rename(moved)
    try:
        assert FeatureStore.open(moved).read("f1-00").shape[1] == 80
    finally:
        moved.rename(dump)
