"""Hostile files, names and tables: no traceback, nothing outside the output, and the good ones come through.

`SQSPEECH_FUZZ=2000 pytest tests/test_fuzz_inputs.py` tries as many.
"""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import hostile
import pytest

from data_prep.folder import prepare
from data_prep.held_out import Shares
from data_prep.layouts import Layout
from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter, convert_all, plan
from sqspeech.corpus import Workers
from sqspeech.data import feature_computation, speaker_pitch
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.data.findings import Severity
from sqspeech.data.inputs import read_inputs
from sqspeech.data_checks import matrices, recordings
from sqspeech.data_checks.validate import validate
from sqspeech.errors import SqspeechError
from sqspeech.failures import Failures
from sqspeech.features import LogMelConfig
from sqspeech.units import extract_corpus, read
from sqspeech.vocoders.griffin_lim import GriffinLim

COUNT, GROUPS = int(os.environ.get("SQSPEECH_FUZZ", "60")), 3
UNIT_FORMATS = ("kaldi", "npz", "zerospeech", "fairseq")


def map_here(function: Callable, items: Iterable, workers: Workers, *, died: Callable) -> Iterator:
    """As sqspeech.corpus.map_in_order, without its processes, which take a second to start."""
    for item in items:
        yield function(item)


@pytest.fixture(scope="module")
def commands(experiment, tmp_path_factory) -> Iterator["Commands"]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (feature_computation, speaker_pitch, matrices, recordings):
            patch.setattr(module, "map_in_order", map_here)
        yield Commands(experiment.checkpoint, tmp_path_factory.mktemp("reference"))


class Commands:
    """Each takes an input and an output folder, and returns what became of the good recordings."""

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        self.checkpoint = checkpoint
        trained = TrainedModel.load(checkpoint)
        self.converter = Converter(trained, GriffinLim(trained.config.features, iterations=1))
        (folder / "in").mkdir()
        hostile.write_good(folder / "in")
        tables = {"wav.scp": "{0} {0}.wav\n", "utt2spk": "{0} {0}\n"}
        for name, row in tables.items():
            (folder / "in" / name).write_text("".join(row.format(good) for good in hostile.GOOD))
        self.expected = {
            name: command(folder / "in", folder / name)
            for name, command in self.all().items()
            if name != "data_prep.folder"
        }

    def all(self) -> dict[str, Callable[[Path, Path], dict[str, object]]]:
        return {
            "units": self.units,
            "convert": self.convert,
            "features": self.features,
            "validate": self.validate,
            "data_prep.folder": self.prepare,
        }

    def units(self, given: Path, out: Path) -> dict[str, object]:
        form = UNIT_FORMATS[len(str(given)) % len(UNIT_FORMATS)]
        extract_corpus(self.checkpoint, read_inputs([given], Failures()), out, [form])
        found = read(out)
        return {name: units.codes.tobytes() for name, units in found.units.items() if name in hostile.GOOD}

    def convert(self, given: Path, out: Path) -> dict[str, object]:
        convert_all(self.converter, plan(read_inputs([given], Failures()), ["f1"], None, []), out)
        assert (out / "manifest.tsv").read_text().count("-to-f1.wav") == len(list(out.glob("*.wav")))
        return {name: path.read_bytes() for name in hostile.GOOD if (path := out / f"{name}-to-f1.wav").exists()}

    def features(self, given: Path, out: Path) -> dict[str, object]:
        extract_features(DataDir.read(given), out, LogMelConfig())
        store = FeatureStore.open(out)
        return {u.utt_id: store.read(u.utt_id).tobytes() for u in store.data if u.utt_id in hostile.GOOD}

    def validate(self, given: Path, out: Path) -> dict[str, object]:
        refused = {finding.where for finding in validate(given).findings if finding.severity is Severity.ERROR}
        return {name: True for name in hostile.GOOD if name not in refused}

    def prepare(self, given: Path, out: Path) -> dict[str, object]:
        prepare(given, out, Shares(), Layout.flat if given.is_dir() else None)
        sets = [DataDir.read(path.parent) for path in out.glob("*/wav.scp")]
        found = {u.path.resolve(): u for part in sets for u in part if (u.start, u.end) == (0.0, None)}
        return {name: audio.read(found[given_sound(given, name)].path)[0].tobytes() for name in hostile.GOOD}


def given_sound(given: Path, name: str) -> Path:
    return ((given if given.is_dir() else given.parent) / f"{name}.wav").resolve()


def everything(folder: Path) -> dict[str, object]:
    """Content of a folder: the names, and the bytes of the files."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else path.is_symlink()
        for path in sorted(folder.rglob("*"))
    }


def made(rng: random.Random, folder: Path) -> tuple[str, Path, bool]:
    """Return a command, its input, and whether that may be refused as a whole."""
    kind = rng.choice(["folder", "folder", "data", "data", "data", "wild", "table"])
    given = folder / "in"
    if kind == "table":
        return "data_prep.folder", hostile.write_table(rng, given), False
    {"folder": hostile.write_folder, "data": hostile.write_data, "wild": hostile.write_wild}[kind](rng, given)
    names = (
        ["units", "convert", "data_prep.folder"] if kind == "folder" else ["units", "convert", "features", "validate"]
    )
    return rng.choice(names), given, kind == "wild"


def check(seed: int, folder: Path, commands: Commands) -> None:
    rng = random.Random(seed)
    name, given, may_refuse = made(rng, folder)
    before = everything(folder)
    found, refusal = None, ""
    try:
        found = commands.all()[name](given, folder / "out")
    except SqspeechError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert may_refuse or not refusal, f"{seed}: {name}: {refusal}"
    after = {path: content for path, content in everything(folder).items() if not path.startswith(str(folder / "out"))}
    assert after == before, seed
    if found is not None and not may_refuse:
        expected = commands.expected.get(name) or {
            good: audio.read(given_sound(given, good))[0].tobytes() for good in hostile.GOOD
        }
        assert found == expected, f"{seed}: {name}"


@pytest.mark.parametrize("group", range(GROUPS))
def test_the_good_come_through_and_nothing_leaves_the_output(commands, tmp_path, monkeypatch, group):
    for seed in range(group, COUNT, GROUPS):
        folder = tmp_path / str(seed) / "a" / "b"
        (folder / "cwd").mkdir(parents=True)
        monkeypatch.chdir(folder / "cwd")
        outside = {path.name for path in tmp_path.iterdir()}
        try:
            check(seed, folder, commands)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        assert {path.name for path in tmp_path.iterdir()} == outside
        assert [path.name for path in (tmp_path / str(seed)).rglob("*") if path.parent in folder.parents] == ["a", "b"]
