"""Features at corpus size: shards, kills, several runs at once, what is damaged; always the same bytes."""

import filecmp
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import processes
import pytest
import soundfile
import torch
from corpus import voice, write_corpus

from sqspeech.corpus import Processes, Shard
from sqspeech.data import feature_computation, feature_extraction
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_computation import compute
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import DataError, SqspeechError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.lock import locked

CONFIG = LogMelConfig()
WRITTEN = ("feats.ark", "utt2num_frames", "utt2spk", "wav.scp", "skipped", "notes", "features.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """24 recordings, one of which is damaged and one of which has two channels."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus") / "data", range(6))
    (folder / "f2-03.wav").write_text("no audio at all")
    soundfile.write(folder / "m1-02.wav", np.stack([voice(120, 2)] * 2, axis=1), 16000)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data) -> Path:
    """The dump that one run in one process makes."""
    path = tmp_path_factory.mktemp("whole") / "dump"
    extract_features(DataDir.read(data), path, CONFIG)
    return path


def assert_same(path: Path, whole: Path) -> None:
    for name in WRITTEN:
        assert filecmp.cmp(path / name, whole / name, shallow=False), name
    assert {p.name for p in path.iterdir()} == {p.name for p in whole.iterdir()}


def start(data: Path, dump: Path, *options: object) -> BaseProcess:
    config = dump.with_suffix(".yaml")
    config.write_text("encoder: {}\n")
    return processes.start(["features", data, dump, "--config", config, *options], dump.with_suffix(".output"), {})


def end(process: BaseProcess, dump: Path) -> str:
    """Return the output of a process that ends by itself."""
    process.join(120)
    assert process.exitcode == 0, dump.with_suffix(".output").read_text()
    return dump.with_suffix(".output").read_text()


def wait_for_lines(dump: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if sum(path.read_text().count("\n") for path in dump.glob(".unfinished/*/part*/index")) >= count:
            return
        time.sleep(0.005)
    raise AssertionError("no features in two minutes")


def watch(monkeypatch) -> list[str]:
    """Return a list that the ids of what is computed are added to."""
    computed: list[str] = []

    def watched(blocks, *arguments, **options):
        computed.extend(utterance.utt_id for block in blocks for utterance in block)
        return compute(blocks, *arguments, **options)

    monkeypatch.setattr(feature_extraction, "compute", watched)
    return computed


@pytest.mark.parametrize("count", [1, 2, 5, 24, 30])
def test_shards_are_all_of_it_once(count):
    items = list(range(24))
    parts = [Shard(index, count).of(items) for index in range(1, count + 1)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/", "a/b", "-1/4", "1/0"])
def test_a_shard_that_does_not_exist(text):
    with pytest.raises(DataError, match="expected i/n with i from 1 to n"):
        Shard.parse(text)


def test_shards_in_processes_of_their_own_make_the_same_bytes(data, whole, tmp_path):
    """Three at once; the second is killed midway and the third never runs: what lacks is computed at the end."""
    dump = tmp_path / "dump"
    second, first = (start(data, dump, "--shard", f"{index}/3") for index in (2, 1))
    wait_for_lines(dump, 3)
    os.killpg(second.pid, signal.SIGKILL)
    out = end(first, dump)
    assert "features of 8 utterances" in out
    assert "same command without --shard puts them together" in out
    out = end(start(data, dump, "--jobs", 2), dump)
    assert "features of 23 utterances, 1 skipped, 1 used with a note, see " in out
    assert_same(dump, whole)


@pytest.mark.parametrize("kill", ["interrupt", "kill"])
def test_a_run_that_is_stopped_is_continued(data, whole, tmp_path, kill):
    dump = tmp_path / "dump"
    run = start(data, dump, "--jobs", 2)
    wait_for_lines(dump, 2)
    os.killpg(run.pid, signal.SIGINT if kill == "interrupt" else signal.SIGKILL)
    run.join(120)
    assert run.exitcode == (130 if kill == "interrupt" else -signal.SIGKILL)
    assert "Traceback" not in dump.with_suffix(".output").read_text()
    (index,) = dump.glob(".unfinished/*/part/index")
    before = index.read_text()
    assert before.count("\n") >= 2
    extract_features(DataDir.read(data), dump, CONFIG)
    assert_same(dump, whole)


@pytest.mark.parametrize("moment", ["_link", "write_text"])
def test_a_kill_while_the_dump_is_put_together_loses_nothing(data, whole, tmp_path, monkeypatch, moment):
    dump, utterances = tmp_path / "dump", DataDir.read(data)
    for index in (2, 1):  # so that the parts are out of order
        extract_features(utterances, dump, CONFIG, shard=Shard(index, 2))

    class Killed(BaseException):
        pass

    def killed(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(feature_extraction, moment, killed)
        with pytest.raises(Killed):
            extract_features(utterances, dump, CONFIG)
    with pytest.raises(DataError, match="no finished features"):
        FeatureStore.open(dump)
    computed = watch(monkeypatch)
    extract_features(utterances, dump, CONFIG)
    assert computed == ["f2-03"], "only the damaged one is tried again"
    assert_same(dump, whole)


def test_one_that_is_mended_is_added_and_the_others_are_kept(data, tmp_path, monkeypatch):
    copy, dump = tmp_path / "data", tmp_path / "dump"
    DataDir.read(data).write(copy)
    scp = copy / "wav.scp"
    scp.write_text(scp.read_text().replace(str(data / "f2-03.wav"), str(tmp_path / "f2-03.wav")))
    (tmp_path / "f2-03.wav").touch()
    done, failures = extract_features(DataDir.read(copy), dump, CONFIG)
    assert (done, list(failures.reasons)) == (23, ["f2-03"])
    soundfile.write(tmp_path / "f2-03.wav", voice(180, 3), 16000)
    computed = watch(monkeypatch)
    done, failures = extract_features(DataDir.read(copy), dump, CONFIG)
    assert (done, list(failures.reasons)) == (24, [])
    assert computed == ["f2-03"]
    extract_features(DataDir.read(copy), tmp_path / "anew", CONFIG)
    assert_same(dump, tmp_path / "anew")


def test_two_runs_at_once_are_refused_and_shards_are_not(data, tmp_path):
    utterances = DataDir.read(data).subset(["f1-00"])
    with locked(tmp_path / "dump/.unfinished/lock"):
        for shard in (None, Shard(1, 2)):
            with pytest.raises(SqspeechError, match="another run is writing here; wait for it"):
                extract_features(utterances, tmp_path / "dump", CONFIG, shard=shard)
    with locked(tmp_path / "dump/.unfinished/lock", shared=True):
        extract_features(utterances, tmp_path / "dump", CONFIG, shard=Shard(1, 2))
        with pytest.raises(SqspeechError, match="another run"):
            extract_features(utterances, tmp_path / "dump", CONFIG)


def test_other_audio_under_the_same_names_is_not_mixed_in(data, tmp_path):
    """Leftovers of an unfinished run of other data do not come into the dump."""
    utterances = DataDir.read(data)
    extract_features(utterances, tmp_path / "dump", CONFIG, shard=Shard(1, 2))
    other = DataDir((Utterance(utt_id="f1-00", spk_id="f1", path=data / "m1-00.wav"),))
    extract_features(other, tmp_path / "dump", CONFIG)
    extract_features(other, tmp_path / "anew", CONFIG)
    assert_same(tmp_path / "dump", tmp_path / "anew")


def test_nothing_usable_leaves_nothing(tmp_path):
    (tmp_path / "a.wav").touch()
    utterances = DataDir((Utterance(utt_id="a", spk_id="a", path=tmp_path / "a.wav"),))
    done, failures = extract_features(utterances, tmp_path / "dump", CONFIG)
    assert (done, list(failures.reasons)) == (0, ["a"])
    assert not (tmp_path / "dump").exists()


@pytest.mark.gpu
def test_a_gpu_makes_the_same_features(data, whole, tmp_path):
    cuda = torch.device("cuda")
    extract_features(DataDir.read(data), tmp_path / "one", CONFIG, device=cuda)
    for index in (2, 1):
        extract_features(
            DataDir.read(data), tmp_path / "two", CONFIG, device=cuda, workers=Processes(2), shard=Shard(index, 2)
        )
    extract_features(DataDir.read(data), tmp_path / "two", CONFIG, device=cuda)
    assert_same(tmp_path / "two", tmp_path / "one")
    one, cpu = FeatureStore.open(tmp_path / "one"), FeatureStore.open(whole)
    for utterance in cpu.data:
        # In amplitude, of which rounding takes a share of the largest: 80 dB below it, where the features end, that is
        # some 0.03 dB.
        here, there = (10 ** (4 * store.read(utterance.utt_id)) for store in (cpu, one))
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-5 * here.max())


def test_what_a_gpu_would_do_is_what_the_cpu_does(data, whole):
    """Workers that hand over samples, and a transform of a block together, here on the CPU."""
    cpu = torch.device("cpu")
    prepare = feature_computation.Preparation(LogMel(CONFIG), transforms=False)
    block = [utterance for utterance in DataDir.read(data) if utterance.spk_id == "f2"]
    handed_over = [prepare(utterance) for utterance in block]
    together = feature_computation._transform(LogMel(CONFIG), handed_over, cpu)
    store = FeatureStore.open(whole)
    for utterance, result in zip(block, together, strict=True):
        if utterance.utt_id == "f2-03":
            assert "cannot decode" in result.reason
        else:
            np.testing.assert_allclose(result.mel, store.read(utterance.utt_id), atol=2e-5)
