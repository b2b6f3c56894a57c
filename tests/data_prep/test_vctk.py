import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import vctk_tree

from data_prep import vctk
from data_prep.command import run
from data_prep.held_out import Shares, position
from data_prep.vctk import HoldOut, Microphone, Options
from data_prep.vctk_corpus import find_corpus
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError

FIFTHS = Shares(dev=0.2, test=0.2)


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    folder, samples = tmp_path_factory.mktemp("trees"), vctk_tree.recordings()
    return {
        "0.80": vctk_tree.write_080(folder / "VCTK-Corpus", samples, silence=0.3),
        "0.92": vctk_tree.write_092(folder / "VCTK-Corpus-0.92", samples),
    }


def prepare(corpus, data_dir, **options):
    return vctk.prepare(find_corpus(corpus), data_dir, Options(**options))


def sets_of(data_dir):
    """Return the set of each utterance from what is on the disk."""
    names = {}
    for path in data_dir.glob("*/utt2spk"):
        for line in path.read_text().splitlines():
            assert names.setdefault(line.split()[0], path.parent.name) == path.parent.name
    return names


def utterances(data_dir):
    return {u.utt_id: u for path in data_dir.glob("*/utt2spk") for u in DataDir.read(path.parent)}


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["vctk", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        run(vctk.main)
    return stop.value.code


# ---- recordings, texts and speakers


def test_092_takes_the_first_microphone_that_there_is(trees, tmp_path):
    inventory = prepare(trees["0.92"], tmp_path)
    found = utterances(tmp_path)
    assert sorted(found) == sorted(vctk_tree.utt_ids("0.92"))
    mics = {utt_id: u.path.stem.removeprefix(f"{utt_id}_") for utt_id, u in found.items()}
    assert {utt_id for utt_id, mic in mics.items() if mic == "mic2"} == set(vctk_tree.NO_MIC1)
    assert set(mics.values()) == {"mic1", "mic2"}
    assert {u.spk_id for u in found.values()} == set(vctk_tree.NUMBERS)
    assert not inventory.skipped
    assert inventory.remarks == [
        "without microphone 1, so from microphone 2: 1 (p362 1)",
        "texts without a recording: 2 (p362 2)",
        "utterances without a text: 12 (p315 12)",
        "speakers without a gender in speaker-info.txt: p226",
    ]
    assert inventory.seconds == {utt_id: soundfile.info(u.path).duration for utt_id, u in found.items()}


@pytest.mark.parametrize(("mic", "without"), [("1", vctk_tree.NO_MIC1), ("2", vctk_tree.NO_MIC2)])
def test_092_with_one_microphone_skips_what_the_other_alone_recorded(trees, tmp_path, mic, without):
    inventory = prepare(trees["0.92"], tmp_path, mic=Microphone(mic))
    found = utterances(tmp_path)
    assert set(found) == set(vctk_tree.utt_ids("0.92")) - set(without)
    assert all(u.path.name.endswith(f"_mic{mic}.flac") for u in found.values())
    assert sorted(skip.name for skip in inventory.skipped) == sorted(without)
    assert {skip.reason for skip in inventory.skipped} == {f"no mic{mic} recording"}


def test_080_has_its_own_remarks(trees, tmp_path):
    inventory = prepare(trees["0.80"], tmp_path)
    assert sorted(utterances(tmp_path)) == sorted(vctk_tree.utt_ids("0.80"))
    assert [(skip.name, skip.reason) for skip in inventory.skipped] == [("wav48/p225/p225_295.raw", "unexpected name")]
    assert "speakers without a gender in speaker-info.txt: p280" in inventory.remarks


@pytest.mark.parametrize("version", ["0.80", "0.92"])
def test_texts_and_genders_are_carried_where_there_are_any(trees, version, tmp_path):
    prepare(trees[version], tmp_path)
    genders = {}
    for path in tmp_path.glob("*/spk2gender"):
        genders |= dict(line.split() for line in path.read_text().splitlines())
    known = {speaker: gender for speaker, gender in vctk_tree.GENDERS.items() if speaker != vctk_tree.NO_ROW[version]}
    assert genders == {speaker: known[speaker] for speaker in known if version == "0.92" or speaker != "s5"}
    special = {vctk_tree.SPACED_TEXT: "Please call “Stella”.", vctk_tree.LATIN1_TEXT: "The café."}
    for utt_id, utterance in utterances(tmp_path).items():
        assert utterance.text == special.get(utt_id, None if utterance.spk_id == "p315" else f"Sentence {utt_id}.")


def test_neither_texts_nor_speaker_table_are_needed(trees, tmp_path):
    shutil.copytree(trees["0.92"] / "wav48_silence_trimmed", tmp_path / "corpus/wav48_silence_trimmed")
    inventory = prepare(tmp_path / "corpus", tmp_path / "data")
    assert len(utterances(tmp_path / "data")) == len(vctk_tree.utt_ids("0.92"))
    assert any(remark.startswith("no speaker-info.txt in") for remark in inventory.remarks)
    assert not list(tmp_path.glob("data/*/spk2gender")) + list(tmp_path.glob("data/*/text"))


@pytest.fixture
def damaged(trees, tmp_path):
    corpus = shutil.copytree(trees["0.92"], tmp_path / "damaged")
    folder = corpus / "wav48_silence_trimmed"
    vctk_tree.recording(corpus, "p225_030", "1").write_bytes(b"")
    vctk_tree.recording(corpus, "p280_031", "1").write_bytes(b"no audio")
    whole = vctk_tree.recording(corpus, "p225_020", "1").read_bytes()
    for name in ("p225/p225-099_mic1.flac", "p225/p225_099_mic3.flac", "s5/p225_099_mic1.flac"):
        (folder / name).write_bytes(whole)
    return corpus


def test_damage_is_skipped_and_counted_and_the_rest_goes_on(damaged, tmp_path):
    inventory = prepare(damaged, tmp_path / "data")
    assert set(utterances(tmp_path / "data")) == set(vctk_tree.utt_ids("0.92")) - {"p225_030", "p280_031"}
    assert Counter((skip.reason, skip.spk_id) for skip in inventory.skipped) == {
        ("unexpected name", "p225"): 2,
        ("unexpected name", "s5"): 1,
        ("unreadable header", "p225"): 1,
        ("unreadable header", "p280"): 1,
    }
    assert "the file is empty" in next(skip.detail for skip in inventory.skipped if skip.name == "p225_030")


def test_the_reports_agree_with_a_count_of_the_files(damaged, tmp_path):
    inventory = prepare(damaged, tmp_path / "data")
    readable, unreadable = Counter(), Counter()
    for speaker in (damaged / "wav48_silence_trimmed").iterdir():
        if speaker.is_dir():
            stems = {
                m[1] for p in speaker.iterdir() if (m := re.match(rf"({speaker.name}_\d\d\d)_mic[12]\.flac", p.name))
            }
            for stem in stems:
                mic1 = speaker / f"{stem}_mic1.flac"
                path = mic1 if mic1.exists() else speaker / f"{stem}_mic2.flac"
                (readable if path.read_bytes()[:4] == b"fLaC" else unreadable)[speaker.name] += 1
    rows = [line.split("\t") for line in (tmp_path / "data/report.tsv").read_text().splitlines()]
    table = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert {row["speaker"]: sum(int(row[name]) for name in ("train", "dev", "test")) for row in table} == readable
    assert {row["speaker"]: int(row["unreadable header"]) for row in table} == dict.fromkeys(readable, 0) | unreadable
    text = (tmp_path / "data/report.txt").read_text()
    assert text == inventory.text()
    assert sum(map(int, re.findall(r"^(?:train|dev|test): (\d+) utterances", text, re.MULTILINE))) == readable.total()
    assert f"left out, unreadable header: {unreadable.total()} (" in text
    assert len((tmp_path / "data/skipped.tsv").read_text().splitlines()) == 1 + 3 + unreadable.total()


# ---- sets


def test_the_split_is_the_same_for_each_release_and_microphone(trees, tmp_path):
    prepare(trees["0.80"], tmp_path / "080", shares=FIFTHS)
    prepare(trees["0.92"], tmp_path / "092", shares=FIFTHS)
    prepare(trees["0.92"], tmp_path / "mic2", shares=FIFTHS, mic=Microphone.TWO)
    whole, old, second = (sets_of(tmp_path / name) for name in ("092", "080", "mic2"))
    assert old == {utt_id: name for utt_id, name in whole.items() if not utt_id.startswith("s5")}
    assert {"train", "dev", "test"} == set(old.values())
    for speaker in ("p225", "p226", "s5"):
        assert {u: n for u, n in second.items() if u.startswith(speaker)} == {
            u: n for u, n in whole.items() if u.startswith(speaker)
        }


def test_a_speaker_more_moves_nothing_and_every_speaker_trains(trees, tmp_path):
    prepare(trees["0.92"], tmp_path / "before", shares=FIFTHS)
    corpus = shutil.copytree(trees["0.92"], tmp_path / "corpus")
    for path in sorted((corpus / "wav48_silence_trimmed/p225").glob("p225_*")):
        new = corpus / "wav48_silence_trimmed/p001" / path.name.replace("p225", "p001")
        new.parent.mkdir(exist_ok=True)
        shutil.copy(path, new)
    prepare(corpus, tmp_path / "after", shares=FIFTHS)
    before, after = sets_of(tmp_path / "before"), sets_of(tmp_path / "after")
    assert len(after) == len(before) + 12
    assert before.items() <= after.items()
    assert set(DataDir.read(tmp_path / "after/train").speakers) == {*vctk_tree.NUMBERS, "p001"}


def test_prompts_are_the_test_set_where_a_speaker_has_more(trees, tmp_path):
    prepare(trees["0.92"], tmp_path, hold_out=HoldOut.PROMPTS, shares=Shares(dev=0.2, test=0.4))
    names = sets_of(tmp_path)
    for utt_id, name in names.items():
        speaker, number = utt_id.split("_")
        if speaker == "p226":
            assert name == "train"
        else:
            assert (name == "test") == (int(number) <= 24)
    assert {utt_id[:4] for utt_id, name in names.items() if name == "dev"} == {"p225", "p280", "p315", "p362", "s5_0"}
    assert set(DataDir.read(tmp_path / "train").speakers) == set(vctk_tree.NUMBERS)


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("hold_out", HoldOut)
def test_unseen_speakers_are_in_no_other_set(trees, tmp_path, count, hold_out):
    prepare(trees["0.92"], tmp_path / "with", unseen_speakers=count, hold_out=hold_out)
    prepare(trees["0.92"], tmp_path / "without", hold_out=hold_out)
    expected = set(sorted(vctk_tree.NUMBERS, key=position)[:count])
    assert set(DataDir.read(tmp_path / "with/unseen").speakers) == expected
    for utt_id, name in sets_of(tmp_path / "with").items():
        assert name == ("unseen" if utt_id.split("_")[0] in expected else sets_of(tmp_path / "without")[utt_id])


def test_a_set_of_an_earlier_run_does_not_stay(trees, tmp_path):
    prepare(trees["0.92"], tmp_path, unseen_speakers=2)
    prepare(trees["0.92"], tmp_path, shares=Shares(dev=0.0, test=0.1))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"train", "test"}


@pytest.mark.parametrize(
    ("version", "options", "fault"),
    [
        ("0.80", {"mic": Microphone.ONE}, "VCTK 0.80 has one microphone; leave out --mic 1"),
        ("0.92", {"trim_silence": True}, "trimmed already; leave out --trim-silence"),
        ("0.92", {"unseen_speakers": 6}, "leaves none of the 6 speakers for training; use at most 5"),
    ],
)
def test_an_option_that_does_not_fit_is_one_line_and_writes_nothing(trees, tmp_path, version, options, fault):
    with pytest.raises(DataError, match=fault):
        prepare(trees[version], tmp_path / "data", **options)
    assert not (tmp_path / "data").exists()


# ---- trimming


def test_trimming_writes_segments_and_leaves_the_audio_alone(trees, tmp_path):
    corpus = shutil.copytree(trees["0.80"], tmp_path / "corpus")
    zeros, nan = (vctk_tree.recording(corpus, utt_id) for utt_id in ("p225_022", "p280_020"))
    soundfile.write(zeros, np.zeros(48000), 48000)
    soundfile.write(nan, np.full(48000, np.nan), 48000, subtype="FLOAT")
    before = {path: path.read_bytes() for path in corpus.rglob("*.wav")}
    inventory = prepare(corpus, tmp_path / "data", trim_silence=True, jobs=2)
    assert {path: path.read_bytes() for path in corpus.rglob("*.wav")} == before
    reasons = {skip.name: skip.reason for skip in inventory.skipped}
    assert (reasons["p225_022"], reasons["p280_020"], len(reasons)) == ("all silence", "cannot be decoded", 3)
    found = utterances(tmp_path / "data")
    assert set(found) == set(vctk_tree.utt_ids("0.80")) - {"p225_022", "p280_020"}
    for utt_id, utterance in found.items():
        duration = soundfile.info(utterance.path).duration
        # There are 0.3 s of silence at each end; the speech between may begin or end faintly.
        assert 0.2 < utterance.start < 0.3 + 0.6
        assert utterance.start < utterance.end < duration - 0.2
        assert inventory.seconds[utt_id] == pytest.approx(len(utterance.read(48000)) / 48000, abs=1e-3)
    assert inventory.seconds.keys() == found.keys()


# ---- the command line


def test_the_command_prints_the_report(trees, tmp_path, monkeypatch, capsys):
    path = vctk_tree.write_archive(trees["0.92"], "0.92", tmp_path / "downloads")
    status = command(
        monkeypatch, path, tmp_path / "data", "--extract-to", tmp_path / "disk", "--mic", "2", "--hold-out", "prompts",
        "--dev-share", "0.2", "--unseen-speakers", "1",
    )  # fmt: skip
    assert status == 0
    out = capsys.readouterr().out
    assert out == (tmp_path / "data/report.txt").read_text()
    assert [line.split(":")[0] for line in out.splitlines()[:4]] == ["train", "dev", "test", "unseen"]
    assert (tmp_path / "disk/speaker-info.txt").is_file()


def test_strict_fails_after_writing_what_is_good(damaged, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, damaged, tmp_path / "data", "--strict") == 1
    assert len(utterances(tmp_path / "data")) == len(vctk_tree.utt_ids("0.92")) - 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        f"error: 5 left out (see {tmp_path}/data/skipped.tsv), which --strict forbids"
    )
    assert captured.out.startswith("train: ")


def test_strict_is_content_with_a_sound_corpus(trees, tmp_path, monkeypatch):
    assert command(monkeypatch, trees["0.92"], tmp_path / "data", "--strict") == 0


# ---- real recordings


def test_the_real_sample_is_prepared_whole_and_trimmed(speech, tmp_path):
    sample = speech / "vctk_sample"
    files = sorted((sample / "VCTK-Corpus/wav48").glob("*/*.wav"))
    seconds = sum(soundfile.info(path).duration for path in files)
    inventory = prepare(sample, tmp_path / "whole")
    found = utterances(tmp_path / "whole")
    assert sorted(found) == sorted(path.stem for path in files)
    assert sorted(u.path.resolve() for u in found.values()) == [path.resolve() for path in files]
    assert sum(inventory.seconds.values()) == pytest.approx(seconds)
    assert inventory.skipped == inventory.remarks == []
    for utt_id, utterance in found.items():
        text = sample / "VCTK-Corpus/txt" / utterance.spk_id / f"{utt_id}.txt"
        assert utterance.text.split() == text.read_text().split()
    done = subprocess.run(
        [sys.executable, "-m", "data_prep.vctk", sample, tmp_path / "trimmed", "--trim-silence", "--jobs", "2"],
        cwd=Path(vctk.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    trimmed = utterances(tmp_path / "trimmed")
    assert sets_of(tmp_path / "trimmed") == sets_of(tmp_path / "whole")
    assert sum(u.end - u.start for u in trimmed.values()) < 0.9 * seconds
    assert done.stdout == (tmp_path / "trimmed/report.txt").read_text()
