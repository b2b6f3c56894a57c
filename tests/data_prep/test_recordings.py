from pathlib import Path

import pytest
import soundfile
from corpus import voice
from hypothesis import given
from hypothesis import strategies as st

from data_prep.held_out import Shares
from data_prep.inventory import Inventory
from data_prep.recordings import Recording, collect, safe_label, safe_speaker
from sqspeech import audio
from sqspeech.audio import AudioInfo
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.names import distinct

# Characters around the hyphen's place in the order, separators, and what is no UTF-8 (a surrogate).
NASTY = st.text(st.sampled_from("ab-_.!,/2 \t\n|\x85\u3000é\u0301中\udcff"), min_size=1, max_size=5)
NAMES = NASTY | st.text(min_size=1, max_size=8)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=12, unique=True))
def test_ids_are_unique_and_in_kaldis_order_whatever_the_names(pairs):
    speakers = distinct((speaker for speaker, _ in pairs), safe_speaker)
    assert len(set(speakers.values())) == len({speaker for speaker, _ in pairs})
    utterances = []
    for speaker, spk_id in speakers.items():
        labels = distinct((label for name, label in pairs if name == speaker), safe_label)
        utterances += [Utterance(utt_id=f"{spk_id}-{labels[x]}", spk_id=spk_id, path=Path("x.wav")) for x in labels]
    assert len(DataDir(tuple(utterances))) == len(pairs)
    assert all(name.isprintable() and not set(name) & set("/| ") for u in utterances for name in (u.utt_id, u.spk_id))


@given(st.sets(st.from_regex(r"[a-z0-9_][a-z0-9_.]*", fullmatch=True)), NASTY)
def test_safe_names_stay_as_they_are(safe, nasty):
    forms = distinct([*safe, nasty], safe_speaker)
    assert {name: forms[name] for name in safe} == {name: name for name in safe}


def test_names_alike_get_numbers():
    assert distinct(["a-b", "a_b", "a b", "a_b.2"], safe_speaker) == {
        "a_b": "a_b",
        "a_b.2": "a_b.2",
        "a b": "a_b.3",
        "a-b": "a_b.4",
    }
    assert distinct(["x/1", "x-1", "e\u0301"], safe_label) == {"x-1": "x-1", "x/1": "x-1.2", "e\u0301": "é"}


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, voice(120, 0, seconds=1.0), 16000)
    return path


def collected(*recordings):
    inventory = Inventory()
    collect(recordings, Shares(dev=0, test=0), inventory)
    return inventory


def test_parts_of_files_become_segments(wav, tmp_path):
    common = {"speaker": "a", "path": wav, "name": "x"}
    inventory = collected(
        Recording(label="1", start=0.25, end=0.5, **common),
        Recording(label="2", start=0.5, end=1.05, **common),
        Recording(label="3", **common),
        Recording(label="4", end=1.6, **common),
        Recording(label="5", start=1.0, **common),
    )
    inventory.sets["train"].write(tmp_path / "train")
    assert (tmp_path / "train/segments").read_text() == "a-1 x 0.25 0.5\na-2 x 0.5 1.0\na-3 x 0.0 -1\n"
    assert (tmp_path / "train/wav.scp").read_text() == f"x {wav}\n"
    assert inventory.seconds == {"a-1": 0.25, "a-2": 0.5, "a-3": 1.0}
    assert [(s.reason, s.detail) for s in inventory.skipped] == [
        ("times outside the recording", "0.0 to 1.6 s of 1.000 s"),
        ("times outside the recording", "1.0 to 1.0 s of 1.000 s"),
    ]


def test_what_stands_twice_is_one_utterance(wav):
    inventory = collected(
        Recording(name="x.flac", speaker="a-b", label="x", path=wav),
        Recording(name="x.wav", speaker="a-b", label="x", path=wav),
    )
    assert [u.utt_id for u in inventory.sets["train"]] == ["a_b-x"]
    assert [(s.name, s.spk_id, s.detail) for s in inventory.skipped] == [("x.wav", "a_b", "has the id of x.flac")]


def test_a_gender_that_is_not_certain_is_none(wav):
    inventory = collected(
        *[Recording(name=x, speaker="a", label=x, path=wav, gender=x) for x in "mf"],
        *[Recording(name=x or "", speaker="b", label=x or "", path=wav, gender=x) for x in ("f", None)],
    )
    assert inventory.sets["train"].spk2gender == {"b": "f"}
    assert inventory.remarks == ["speakers of more than one gender, so without one: a"]


@pytest.mark.parametrize("stem", ["a\nb", "a\rb", "\udcff"])
def test_a_path_that_wav_scp_cannot_hold_is_left_out(tmp_path, monkeypatch, stem):
    # Not every file system has such names.
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(audio, "probe", lambda _: AudioInfo(sample_rate=16000, channels=1, n_samples=16000))
    inventory = collected(Recording(name="x", speaker="a", label="x", path=tmp_path / f"{stem}.wav"))
    assert [s.reason for s in inventory.skipped] == ["a path that wav.scp cannot hold"]
