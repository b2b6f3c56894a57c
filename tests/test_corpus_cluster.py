"""A Dask scheduler and two workers of this machine: the same bytes, whoever dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from sqspeech.corpus import map_in_order
from sqspeech.corpus.cluster import Cluster, connect
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.errors import SqspeechError
from sqspeech.features import LogMelConfig
from sqspeech.units import extract_corpus


def start(program: str, *options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard", *map(str, options)]
    env = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=env, start_new_session=True, **quiet)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a scheduler with two workers."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    options = ("--scheduler-file", file, "--local-directory", folder, "--nthreads", 1, "--memory-limit", 0)
    started = [start("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)]
    started += [start("worker", *options) for _ in range(2)]
    yield file
    for process in reversed(started):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def cluster(scheduler: Path) -> Iterator[Cluster]:
    deadline = time.monotonic() + 120
    while not scheduler.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with connect(str(scheduler)) as workers:
        yield workers


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_features_and_units_are_those_of_processes(cluster, experiment, tmp_path):
    data = DataDir.read(experiment.root / "corpus/train")
    for name, options in {"processes": {}, "cluster": {"workers": cluster}}.items():
        extract_features(data, tmp_path / name / "dump", LogMelConfig(), **options)
        extract_corpus(experiment.checkpoint, list(data), tmp_path / name / "units", ["kaldi"], **options)
    here, there = files(tmp_path / "processes"), files(tmp_path / "cluster")
    scp = "dump/feats.scp"  # which has the folder's name
    there[scp] = there[scp].replace(b"/cluster/", b"/processes/")
    assert here == there


def die_once(path: Path) -> str:
    """Kill the worker the first time, and with a name for it every time."""
    if path.name == "always" or (path.name == "once" and not path.exists()):
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def test_what_a_killed_worker_had_is_computed_again(cluster, tmp_path):
    items = [tmp_path / name for name in ("a", "once", *map(str, range(20)))]
    assert list(map_in_order(die_once, items, cluster, died=str)) == [item.name for item in items]


def test_one_that_kills_workers_again_and_again_costs_no_other(cluster, tmp_path):
    items = [tmp_path / name for name in ("a", "always", *map(str, range(20)))]
    expected = [item.name if item.name != "always" else "died" for item in items]
    assert list(map_in_order(die_once, items, cluster, died=lambda item: "died")) == expected


def test_an_error_in_the_function_is_raised(cluster):
    with pytest.raises(AttributeError, match="name"):
        list(map_in_order(die_once, [1], cluster, died=str))


def test_an_address_that_nobody_answers_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr("sqspeech.corpus.cluster.TIMEOUT", 1)
    with pytest.raises(SqspeechError, match="no scheduler answers within 1 s"), connect("tcp://127.0.0.1:9"):
        pass
    with pytest.raises(SqspeechError, match="no such scheduler file"), connect(str(tmp_path / "none.json")):
        pass
    (tmp_path / "old.json").write_text(json.dumps({"address": "tcp://127.0.0.1:9"}))
    with pytest.raises(SqspeechError, match="no scheduler answers"), connect(str(tmp_path / "old.json")):
        pass
