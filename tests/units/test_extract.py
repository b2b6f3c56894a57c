"""Extraction of many recordings: the same bytes however it is done, and no damage by bad input or a stop."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import processes
import pytest
import soundfile
from corpus import write_corpus
from units_models import noise

from sqspeech.codec import Codec
from sqspeech.corpus import Processes, Shard
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import ConfigError, DataError, SqspeechError
from sqspeech.units import FORMATS, Contents, UnitExtractor, extract, extract_corpus, read

BYTES = ("kaldi/units.txt", "npz/units.npz", "fairseq/units.txt", "fairseq/manifest.tsv", "espnet/text.rm")
SOME = ["kaldi", "npz", "fairseq", "espnet"]


@pytest.fixture(scope="module")
def data(experiment) -> list[Utterance]:
    return list(DataDir.read(experiment.root / "corpus/train"))


@pytest.fixture(scope="module")
def plain(experiment, data, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("plain")
    extract_corpus(experiment.checkpoint, data, output, SOME)
    return output


def same(output: Path, other: Path) -> bool:
    def arrays(path):
        with np.load(path) as stored:
            return {name: stored[name].tobytes() for name in stored.files}

    return all(
        arrays(output / name) == arrays(other / name)
        if name.endswith(".npz")
        else (output / name).read_bytes() == (other / name).read_bytes()
        for name in BYTES
    )


def test_each_recording_has_its_own_units(experiment, data, plain):
    extractor = UnitExtractor.load(experiment.checkpoint)
    found = read(plain)
    assert list(found) == [utterance.utt_id for utterance in data]
    for utterance in data:
        expected = extractor.extract(utterance.read(16000), 16000).codes
        np.testing.assert_array_equal(found[utterance.utt_id].codes, expected)


def test_batches_order_and_jobs_change_no_byte(experiment, data, plain, tmp_path, monkeypatch):
    extract_corpus(experiment.checkpoint, data[::-1], tmp_path / "reversed", SOME)
    extract_corpus(experiment.checkpoint, data, tmp_path / "jobs", SOME, workers=Processes(2))
    monkeypatch.setattr(extract, "MOST", 1)
    extract_corpus(experiment.checkpoint, data, tmp_path / "alone", SOME)
    for name in ("reversed", "jobs", "alone"):
        assert same(tmp_path / name, plain), name
        assert not (tmp_path / name / ".unfinished").exists()


def test_shards_change_no_byte(experiment, data, plain, tmp_path):
    for index in (3, 1, 2):
        counts, _ = extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME, shard=Shard(index, 3))
        assert len(counts) == len(data) // 3
        assert not (tmp_path / "u/kaldi").exists()
    started = Codec.encode_many
    try:
        Codec.encode_many = lambda *_: pytest.fail("nothing is left to extract")
        extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME)
    finally:
        Codec.encode_many = started
    assert same(tmp_path / "u", plain)


def test_a_stopped_run_is_continued(experiment, data, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "MOST", 2)
    calls, whole = [], Codec.encode_many

    def stopping(self, recordings, **options):
        calls.append(len(recordings))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, recordings, **options)

    monkeypatch.setattr(Codec, "encode_many", stopping)
    with pytest.raises(KeyboardInterrupt):
        extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME)
    assert not (tmp_path / "u/kaldi").exists()
    calls.clear()
    calls.extend([0, 0, 0])
    extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME)
    assert sum(calls) == len(data) - 4
    assert same(tmp_path / "u", plain)


def test_other_contents_do_not_continue_it(experiment, data, tmp_path):
    extract_corpus(experiment.checkpoint, data[:2], tmp_path / "u", ["npz"], shard=Shard(1, 1))
    contents = Contents(matrices=("vectors",))
    extract_corpus(experiment.checkpoint, data[:2], tmp_path / "u", ["npz"], contents)
    assert read(tmp_path / "u")[data[0].utt_id].vectors is not None


def test_bad_recordings_are_named_and_lose_nothing(experiment, data, tmp_path, capsys):
    good = data[0]
    bad = {"empty": b"", "text": b"hello", "cut": good.path.read_bytes()[:3000]}
    utterances = [good]
    for name, content in bad.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
        utterances.append(Utterance(utt_id=name, spk_id=name, path=tmp_path / f"{name}.wav"))
    for name, samples in {"short": noise(0.03), "constant": np.full(16000, 0.1), "missing": None}.items():
        if samples is not None:
            soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
        utterances.append(Utterance(utt_id=name, spk_id=name, path=tmp_path / f"{name}.wav"))
    counts, failures = extract_corpus(experiment.checkpoint, utterances, tmp_path / "u", ["kaldi"])
    assert list(counts) == [good.utt_id]
    assert sorted(failures.reasons) == sorted(["empty", "text", "cut", "short", "constant", "missing"])
    said = capsys.readouterr().err
    assert all(f"skipped {name}: " in said for name in failures.reasons)
    assert list(read(tmp_path / "u")) == [good.utt_id]


def test_the_transcript_and_the_speaker_stand_beside_the_units(experiment, data, tmp_path):
    extract_corpus(experiment.checkpoint, data[:2], tmp_path, ["slamkit"])
    lines = [json.loads(line) for line in (tmp_path / "slamkit/units.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["sentence 0", "sentence 1"]
    assert read(tmp_path).speakers == {utterance.utt_id: utterance.spk_id for utterance in data[:2]}


def test_other_rates_channels_and_parts(experiment, tmp_path):
    samples = noise(2.0)
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples], 1), 44100)
    whole = Utterance(utt_id="stereo", spk_id="s", path=tmp_path / "stereo.flac")
    part = replace(whole, utt_id="part", rec_id="stereo", start=0.125, end=0.625)
    _, failures = extract_corpus(experiment.checkpoint, [whole, part], tmp_path / "u", ["fairseq"])
    assert failures.notes == {"stereo": "2 channels, mixed down", "part": "2 channels, mixed down"}
    extractor = UnitExtractor.load(experiment.checkpoint)
    np.testing.assert_array_equal(read(tmp_path / "u")["part"].codes, extractor.extract(part.read(16000), 16000).codes)
    lines = (tmp_path / "u/fairseq/manifest.tsv").read_text().splitlines()
    assert lines == [str(tmp_path), "stereo.flac\t22050", "stereo.flac\t32000"]


def test_a_long_recording_stays_on_disk_and_has_the_same_units(experiment, plain, data, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "LONG", 0.1)
    extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME)
    assert same(tmp_path / "u", plain)


def test_no_room_for_a_long_recording_is_said(experiment, data, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "LONG", 0.1)
    monkeypatch.setattr("sqspeech.units.extract.gettempdir", lambda: "/proc/self")
    utterance = replace(data[0], path=tmp_path / "long.wav")
    soundfile.write(utterance.path, noise(1.0), 16000)
    with pytest.raises(SqspeechError, match="/proc/self: cannot write"):
        extract.Extraction(UnitExtractor.load(experiment.checkpoint), ())([utterance])


def test_a_new_run_replaces_the_old_one(experiment, data, tmp_path):
    extract_corpus(experiment.checkpoint, data[:3], tmp_path / "u", ["kaldi"])
    extract_corpus(experiment.checkpoint, data[3:5], tmp_path / "u", ["kaldi"])
    assert list(read(tmp_path / "u")) == [utterance.utt_id for utterance in data[3:5]]
    assert [path.name for path in (tmp_path / "u").iterdir()] == ["kaldi"]


def test_no_place_for_matrices_is_said(experiment, data, tmp_path):
    with pytest.raises(ConfigError, match="no place for posteriors; add a --format of kaldi, npz, parquet"):
        extract_corpus(experiment.checkpoint, data, tmp_path, ["fairseq"], Contents(matrices=("posteriors",)))


def test_a_failure_while_writing_keeps_what_was_there(experiment, data, plain, tmp_path, monkeypatch):
    shutil.copytree(plain, tmp_path / "u")

    def failing(folder, entries, contents):
        (folder / "units.txt").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FORMATS["kaldi"], "write", failing)
    with pytest.raises(Exception, match="cannot write"):
        extract_corpus(experiment.checkpoint, data, tmp_path / "u", ["kaldi"])
    assert same(tmp_path / "u", plain)
    monkeypatch.undo()
    extract_corpus(experiment.checkpoint, data, tmp_path / "u", ["kaldi"])
    assert sorted(path.name for path in (tmp_path / "u").iterdir()) == sorted(SOME)


def test_killed_at_any_time_it_is_continued(experiment, tmp_path, monkeypatch):
    data = write_corpus(tmp_path / "data", range(12))
    (tmp_path / "blocks_of_one.py").write_text("import sqspeech.units.extract as extract; extract.MOST = 1")
    monkeypatch.syspath_prepend(tmp_path)
    command = ["units", experiment.checkpoint, data, "-o", tmp_path / "u"]
    process = processes.start(command, tmp_path / "output", {}, ["blocks_of_one"])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "u").rglob("*.npz"))) < 3 and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    extract_corpus(experiment.checkpoint, list(DataDir.read(data)), tmp_path / "u", ["kaldi"])
    extract_corpus(experiment.checkpoint, list(DataDir.read(data)), tmp_path / "other", ["kaldi"])
    name = "kaldi/units.txt"
    assert (tmp_path / "u" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert [path.name for path in (tmp_path / "u").iterdir()] == ["kaldi"]


def test_a_recording_that_changed_meanwhile_is_read_again(experiment, tmp_path):
    paths = [tmp_path / f"{name}.wav" for name in "ab"]
    for seed, path in enumerate(paths):
        soundfile.write(path, noise(0.5, seed), 16000)
    data = [Utterance(utt_id=path.stem, spk_id=path.stem, path=path) for path in paths]
    extract_corpus(experiment.checkpoint, data, tmp_path / "u", ["npz"], shard=Shard(1, 1))
    soundfile.write(paths[0], noise(0.7, 5), 16000)
    counts, _ = extract_corpus(experiment.checkpoint, data, tmp_path / "u", ["npz"])
    expected = UnitExtractor.load(experiment.checkpoint).extract(data[0].read(16000), 16000).codes
    np.testing.assert_array_equal(read(tmp_path / "u")["a"].codes, expected)
    assert counts == {"a": len(expected), "b": len(read(tmp_path / "u")["b"])}


def test_a_damaged_part_is_extracted_again(experiment, data, plain, tmp_path):
    for index in (1, 2):
        extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME, shard=Shard(index, 2))
    stored = next((tmp_path / "u").rglob("0000000.npz"))
    stored.write_bytes(stored.read_bytes()[:100])
    extract_corpus(experiment.checkpoint, data, tmp_path / "u", SOME)
    assert same(tmp_path / "u", plain)


@pytest.mark.parametrize("name", ["kaldi/mine.txt", "kaldi/info.json", "kaldi"])
def test_what_is_not_ours_is_not_removed(experiment, data, tmp_path, name):
    mine = tmp_path / "u" / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    if name == "kaldi/info.json":
        mine.with_name("text").write_text("mine")
    with pytest.raises(DataError, match="did not write it, and would remove it"):
        extract_corpus(experiment.checkpoint, data[:1], tmp_path / "u", ["kaldi"])
    assert mine.read_text() == "mine"


def test_other_things_in_the_folder_stay(experiment, data, tmp_path):
    extract_corpus(experiment.checkpoint, data[:1], tmp_path / "u", ["kaldi"])
    (tmp_path / "u/kaldi/text").write_text("mine")
    (tmp_path / "u/notes").write_text("mine")
    with pytest.raises(DataError, match="kaldi/text: "):
        extract_corpus(experiment.checkpoint, data[:1], tmp_path / "u", ["kaldi"])
    extract_corpus(experiment.checkpoint, data[:1], tmp_path / "u", ["npz"])
    assert (tmp_path / "u/kaldi/text").exists()
    assert (tmp_path / "u/notes").exists()


@pytest.mark.parametrize(
    ("utt_id", "name", "problem"),
    [
        ("a|b", "fairseq", "fairseq cannot hold an id with '|'"),
        ("a/b", "zerospeech", "zerospeech cannot hold an id with '/'"),
        ("x" * 300, "zerospeech", "zerospeech cannot hold an id of 300 bytes"),
        ("x" * 70_000, "npz", "npz cannot hold an id of 70000 bytes"),
        ("a\udce9", "kaldi", "not UTF-8"),
        ("a\0b", "npz", "white space"),
        ("a b", "kaldi", "white space"),
        ("", "kaldi", "white space"),
    ],
)
def test_an_id_that_a_format_cannot_hold_is_named(experiment, data, tmp_path, utt_id, name, problem):
    with pytest.raises(DataError) as error:
        extract_corpus(experiment.checkpoint, [replace(data[0], utt_id=utt_id)], tmp_path / "u", [name])
    assert problem in str(error.value)
    assert repr(utt_id[:80]) in str(error.value)
    assert not (tmp_path / "u").exists()


def test_an_id_that_stands_twice_is_named(experiment, data, tmp_path):
    twice = [data[0], replace(data[1], utt_id=data[0].utt_id)]
    with pytest.raises(DataError, match=f"'{data[0].utt_id}' stands 2 times"):
        extract_corpus(experiment.checkpoint, twice, tmp_path / "u", ["kaldi"])


def test_another_run_at_the_same_place_is_refused(experiment, data, tmp_path):
    from sqspeech.lock import locked

    with locked(tmp_path / "u/.unfinished/lock"), pytest.raises(Exception, match="another run is writing here"):
        extract_corpus(experiment.checkpoint, data, tmp_path / "u", ["kaldi"])
