"""A corpus of 400 recordings, 2 % of them damaged in eight ways: what is good comes through, what is bad is named."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus import CONFIG, voice

from sqspeech import audio, cli
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.data.feature_store import FeatureStore

COUNT, RATE = 400, 16000


def empty(path: Path, samples: np.ndarray) -> None:
    path.write_bytes(b"")


def truncated(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, samples, RATE)
    os.truncate(path, path.stat().st_size * 2 // 3)


def wrong_header(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, samples, RATE)
    path.write_bytes(b"JUNKJUNK" + path.read_bytes()[8:])


def text(path: Path, samples: np.ndarray) -> None:
    path.write_text("<html>404 not found</html>\n" * 50)


def silence(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, np.zeros_like(samples), RATE)


def not_a_number(path: Path, samples: np.ndarray) -> None:
    soundfile.write(
        path, np.where(np.arange(len(samples)) == 100, np.nan, samples), RATE, subtype="FLOAT", format="WAV"
    )


def low_rate(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, samples[::2], RATE // 2)


def stereo(path: Path, samples: np.ndarray) -> None:
    soundfile.write(path, np.stack([samples, samples[::-1]], axis=1), RATE)


DAMAGED = {
    "s2-017": (empty, ".wav", "the file is empty (0 bytes)"),
    "s0-042": (truncated, ".wav", "truncated, "),
    "s1-066": (wrong_header, ".wav", "cannot decode"),
    "s3-070": (text, ".wav", "cannot decode"),
    "s0-084": (silence, ".wav", "digital silence"),
    "s2-033": (not_a_number, ".wav", "NaN or infinite samples"),
    "s1-095": (low_rate, ".wav", "8000 Hz, so nothing above 4000 Hz"),
    "s3-099": (stereo, ".wav", "2 channels, mixed down"),
}


@pytest.fixture(scope="module", params=["real", "synthetic"])
def corpus(request, tmp_path_factory) -> Path:
    """A data directory of 400 pieces of 0.5 s, eight of them damaged."""
    if request.param == "real":
        speech = request.getfixturevalue("speech")
        recordings = [audio.read(path)[0] for path in sorted(speech.glob("emodb/wav/e0[3-8]/*.flac"))[:80]]
    else:
        recordings = [voice(120, n, seconds=3) for n in range(10)]
    joined = np.concatenate(recordings)[: COUNT * RATE // 2]
    folder = tmp_path_factory.mktemp("corpus")
    utterances = []
    for number, samples in enumerate(np.array_split(joined, COUNT)):
        utt_id = f"s{number % 4}-{number // 4:03}"
        damage, suffix, _ = DAMAGED.get(utt_id, (None, ".wav", ""))
        path = folder / f"{utt_id}{suffix}"
        if damage:
            damage(path, samples)
        else:
            soundfile.write(path, samples, RATE)
        utterances.append(Utterance(utt_id=utt_id, spk_id=utt_id[:2], path=path))
    DataDir(tuple(utterances)).write(folder / "data")
    (folder / "c.yaml").write_text(CONFIG)
    return folder


def features(monkeypatch, corpus: Path, *options: str) -> int:
    arguments = ["features", corpus / "data", corpus / "dump", "--config", corpus / "c.yaml", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["sqspeech", *map(str, arguments), "--jobs", "2", *options])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_what_is_good_comes_through_and_what_is_bad_is_named(corpus, monkeypatch, capsys):
    assert features(monkeypatch, corpus) == 0
    out, err = capsys.readouterr()
    assert "features of 394 utterances, 6 skipped, 2 used with a note, see " in out
    listed = dict(
        line.split(" ", maxsplit=1)
        for name in ("skipped", "notes")
        for line in (corpus / "dump" / name).read_text().splitlines()
    )
    assert listed.keys() == DAMAGED.keys()
    for utt_id, (damage, _, reasons) in DAMAGED.items():
        assert any(reason in listed[utt_id] for reason in reasons.split("|")), listed[utt_id]
        assert ("skipped" if damage not in (stereo, low_rate) else "note on") + f" {utt_id}: " in err
    store = FeatureStore.open(corpus / "dump")
    assert len(store) == 394
    for utterance in store.data:
        mel = store.read(utterance.utt_id)
        assert np.isfinite(mel).all()
        assert len(mel) == 1 + len(utterance.read(RATE)) // 160

    assert features(monkeypatch, corpus, "--strict") == 1
    assert "6 inputs were skipped (named above), which --strict forbids" in capsys.readouterr().err
    assert len(FeatureStore.open(corpus / "dump")) == 394, "what is good is kept"
