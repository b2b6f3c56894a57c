import sys
from collections import Counter
from pathlib import Path

import pytest

from data_prep import pairs
from data_prep.command import run
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError


def corpus(genders: dict[str, str], utterances: int = 3) -> DataDir:
    found = [
        Utterance(utt_id=f"{speaker}-{number}", spk_id=speaker, path=Path(f"{speaker}-{number}.wav"))
        for speaker in genders
        for number in range(utterances)
    ]
    return DataDir(tuple(found), {speaker: sex for speaker, sex in genders.items() if sex})


def test_both_genders_in_turn_and_every_target_alike():
    data = corpus({"a": "f", "b": "m", "c": "f", "d": "m", "e": "f", "g": "m"})
    found = pairs.pairs(data, 2)
    assert len(found) == 12
    for utterance, speaker, target in found:
        assert utterance.startswith(f"{speaker}-")
        assert target != speaker
    for speaker in data.speakers:
        genders = [data.spk2gender[target] for _, source, target in found if source == speaker]
        assert sorted(genders) == ["f", "m"]
        assert len({utterance for utterance, source, _ in found if source == speaker}) == 2
    assert set(Counter(target for _, _, target in found).values()) == {2}


def test_without_genders_the_next_speakers():
    found = pairs.pairs(corpus(dict.fromkeys("abc", ""), 1), 2)
    assert [speaker + target for _, speaker, target in found] == ["ab", "ac", "bc", "ba", "ca", "cb"]


def test_one_speaker_is_said():
    with pytest.raises(DataError, match="one speaker alone"):
        pairs.pairs(corpus({"a": "f"}), 2)


def test_the_command(tmp_path, monkeypatch, capsys):
    corpus({"a": "f", "b": "m"}).write(tmp_path / "data")
    monkeypatch.setattr(sys, "argv", ["pairs", str(tmp_path / "data"), str(tmp_path / "p"), "--per-speaker", "1"])
    with pytest.raises(SystemExit) as stop:
        run(pairs.main)
    assert stop.value.code == 0
    assert (tmp_path / "p").read_text() == "a-0 a b\nb-0 b a\n"
    assert capsys.readouterr().out == f"{tmp_path / 'p'}: 2 conversions\n"
